"""Feeds for `intab run`: made up the same every time, or read from a file."""

import io
from typing import Any

import numpy as np
import pytest

from intab.dtypes import bool_, float16, float32, int64
from intab.errors import FeedError, ShapeError
from intab.graph.dims import symbol as dim_symbol
from intab.pages.feeds import check_dims, made_up_feeds, read_feeds, write_fetches
from intab.runtime import TensorInfo

BATCH, LENGTH, WIDTH = dim_symbol("batch"), dim_symbol("length"), dim_symbol("x:2")
INPUTS = (
    TensorInfo("x", float32, (BATCH, 3, WIDTH)),
    TensorInfo("ids", int64, (BATCH, LENGTH)),
    TensorInfo("mask", bool_, (LENGTH, BATCH)),
    TensorInfo("half", float16, (5,)),
)


def test_unbound_dimensions_are_1_as_axis_0_and_64_elsewhere():
    feeds = made_up_feeds(INPUTS, {})
    assert {name: array.shape for name, array in feeds.items()} == {
        "x": (1, 3, 64),
        "ids": (1, 64),
        "mask": (64, 1),  # what a symbol was given first, it keeps
        "half": (5,),
    }
    assert [array.dtype for array in feeds.values()] == [np.float32, np.int64, np.bool_, np.float16]


def test_bound_dimensions_and_values():
    feeds = made_up_feeds(INPUTS, {"batch": 4, "x:2": 2000, "length": 7})
    assert feeds["x"].shape == (4, 3, 2000)
    assert feeds["mask"].shape == (7, 4)
    assert abs(feeds["x"].mean()) < 0.02
    assert feeds["x"].std() == pytest.approx(0.5, abs=0.02)
    assert set(np.unique(feeds["ids"])) == {0, 1}


def test_the_same_every_time():
    first, second = made_up_feeds(INPUTS, {}), made_up_feeds(INPUTS, {})
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_a_dimension_that_is_not_there():
    with pytest.raises(ShapeError, match=r"^--dim depth: the model has no .*; it has batch, length, x:2\.$"):
        made_up_feeds(INPUTS, {"depth": 3})
    with pytest.raises(ShapeError, match="it has none: all sizes are fixed"):
        made_up_feeds(INPUTS[3:], {"depth": 3})


def test_dimensions_must_agree_with_feeds_that_are_given():
    feeds = {"ids": np.zeros((2, 9), np.int64)}
    check_dims(INPUTS, feeds, {"batch": 2, "length": 9})
    with pytest.raises(ShapeError, match=r"--dim length=8: 'ids' in the feeds has 9 there"):
        check_dims(INPUTS, feeds, {"length": 8})


def test_arrays_go_into_a_file_and_come_back():
    arrays: dict[str, Any] = {"file": np.arange(3), "a/b:0": np.ones((2, 0), np.float32), "scalar": np.float32(2.5)}
    data = write_fetches(arrays)
    back = read_feeds(data, "feeds")
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)
        assert back[name].dtype == array.dtype
    with np.load(io.BytesIO(data)) as archive:
        assert sorted(archive.files) == sorted(arrays)


def test_files_that_are_no_feeds():
    objects = io.BytesIO()
    np.savez(objects, a=np.array([{}], dtype=object))
    whole = write_fetches({"a": np.arange(100)})
    for data in (b"", b"text", whole[: len(whole) // 2], objects.getvalue()):
        with pytest.raises(FeedError, match=r"^--feeds: this is not an \.npz of arrays"):
            read_feeds(data, "--feeds")
