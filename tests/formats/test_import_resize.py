"""Resize in opsets 10 to 19, and Upsample."""

import itertools
from typing import Any

import numpy as np
import pytest

from intab.errors import ModelFormatError, UnsupportedOpError
from tests.formats.small_models import Fixed, check, floats, node_model, read_model

X = floats(1, 2, 5, 6)
COORDINATES = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]


def scales(*numbers: float) -> Fixed:
    return Fixed(numbers, np.float32)


FACTORS = [(2.0, 2.0), (0.6, 0.5), (1.5, 3.2)]
# Of nearest elements between corners that are aligned, rounding errors would decide ties; see (2, 2) for those.
CASES = [
    (coordinates, mode, factors)
    for coordinates, mode, factors in itertools.product(COORDINATES, ["nearest", "linear", "cubic"], FACTORS)
    if (coordinates, mode) != ("align_corners", "nearest") or factors == (2.0, 2.0)
]


@pytest.mark.parametrize(("coordinates", "mode", "factors"), CASES)
def test_resize_by_scales(coordinates: str, mode: str, factors: tuple[float, float]) -> None:
    check(
        "Resize",
        X,
        None,
        scales(1, 1, *factors),
        opset=13,
        mode=mode,
        coordinate_transformation_mode=coordinates,
        nearest_mode="floor" if mode == "nearest" else "round_prefer_floor",
    )


@pytest.mark.parametrize("nearest", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
def test_rounding_of_the_nearest_element(nearest: str) -> None:
    for factors in ((2, 2), (0.6, 0.5)):
        check(
            "Resize",
            X,
            scales(),
            scales(1, 1, *factors),
            opset=11,
            nearest_mode=nearest,
            coordinate_transformation_mode="asymmetric",
        )


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("sizes", [[1, 2, 10, 12], [1, 2, 7, 3], [1, 2, 1, 1]])
def test_resize_to_sizes(mode: str, sizes: list[int]) -> None:
    check("Resize", X, None, None, Fixed(sizes), opset=13, sizes="known", mode=mode)


def test_empty_inputs_count_as_absent() -> None:
    empty = Fixed(np.zeros(0), np.float32)
    check("Resize", X, empty, scales(1, 1, 2, 2), opset=11, coordinate_transformation_mode="asymmetric")
    check("Resize", X, empty, empty, Fixed([1, 2, 9, 9]), opset=11, sizes="known", mode="linear")


def test_cubic_options() -> None:
    for options in ({"cubic_coeff_a": -0.5}, {"exclude_outside": 1}):
        check("Resize", X, None, scales(1, 1, 2, 1.5), opset=13, mode="cubic", **options)


def test_axes() -> None:
    check("Resize", X, None, scales(2, 3), opset=18, axes=[3, 2], mode="linear")
    check("Resize", X, None, None, Fixed([7, 9]), opset=18, axes=[2, 3], mode="linear", sizes="known")


@pytest.mark.parametrize("policy", ["stretch", "not_larger", "not_smaller"])
def test_policies_for_the_aspect_ratio(policy: str) -> None:
    check(
        "Resize",
        X,
        None,
        None,
        Fixed([8, 8]),
        opset=18,
        sizes="known",
        axes=[2, 3],
        mode="linear",
        keep_aspect_ratio_policy=policy,
    )


def test_half_pixel_symmetric() -> None:
    check(
        "Resize",
        X,
        None,
        scales(1, 1, 0.55, 1.3),
        opset=19,
        mode="linear",
        coordinate_transformation_mode="half_pixel_symmetric",
    )


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("factors", [(2, 3), (0.5, 0.6), (1, 1)])
def test_resize_of_opset_10(mode: str, factors: tuple[float, float]) -> None:
    check("Resize", X, scales(1, 1, *factors), opset=10, mode=mode)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_upsample(mode: str) -> None:
    check("Upsample", X, opset=7, mode=mode, scales=[1.0, 1.0, 2.0, 3.0])
    check("Upsample", X, scales(1, 1, 2, 1.5), opset=9, mode=mode)


def test_sizes_over_symbols() -> None:
    """floor(size * scale), with the simple fraction that a float32 stands for."""
    model, _ = node_model("Resize", [X, None, scales(1, 1, 0.5, 1 / 3)], opset=13, symbolic=True)
    assert [str(dim) for dim in read_model(model).outputs[0].shape[2:]] == ["(`in0:2`)//2", "(`in0:3`)//3"]


@pytest.mark.parametrize(
    ("inputs", "attributes", "message"),
    [
        ([None, scales(1, 1, 2)], {}, "are not 4 positive numbers"),
        ([None, scales(1, 1, 2, -1)], {}, "are not 4 positive numbers"),
        ([None, scales(1, 1, 2, np.nan)], {}, "are not 4 positive numbers"),
        ([None, scales(1, 1, 2, 1e30)], {}, "are not 4 positive numbers"),
        ([None, scales(1, 1, 2, 2), Fixed([1, 1, 2, 2])], {}, "exactly one of scales and sizes"),
        ([], {}, "exactly one of scales and sizes"),
        ([None, None, Fixed([1, 2, 3])], {}, "do not fit 4 axes"),
        ([None, scales(1, 1, 2, 2)], {"coordinate_transformation_mode": "tf_crop_and_resize"}, "known are half_pixel"),
        ([None, scales(1, 1, 2, 2)], {"antialias": 1}, "antialias"),
    ],
)
def test_what_is_refused(inputs: list[Any], attributes: dict[str, Any], message: str) -> None:
    model, _ = node_model("Resize", [X, *inputs], opset=18, **attributes)
    with pytest.raises((ModelFormatError, UnsupportedOpError), match=message):
        read_model(model)


def test_mixed_directions_of_opset_10_are_refused() -> None:
    model, _ = node_model("Resize", [X, scales(1, 1, 2, 0.5)], opset=10)
    with pytest.raises(UnsupportedOpError, match="grow one axis and shrink another"):
        read_model(model)
