"""Python functions as kernels: what they mean is what numpy makes of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from intab.dtypes import dtype_of
from intab.errors import DTypeError, IntabError, KernelError
from intab.kernels import interpret
from intab.ops.traced import parameters_of, trace

FLOATS = np.array([-2.5, -1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 3.75, 40.0], np.float32)
POSITIVE = np.abs(FLOATS) + np.float32(0.125)
WHOLE = np.array([-7, -3, -1, 0, 1, 2, 3, 5, 9], np.int32)
DIVISORS = np.array([2, -2, 3, 4, -5, 1, 7, -1, 2], np.int32)
BYTES = np.array([0, 1, 2, 100, 127, 128, 200, 254, 255], np.uint8)
WORDS = np.array([0, 1, 2, 3, 2**31, 2**32 - 1, 7, 8, 9], np.uint32)

CASES: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...]]] = {
    "arithmetic": (lambda a, b: (a * 2 + b) / 3 - 1.5 * -b, (FLOATS, POSITIVE)),
    "functions": (lambda a: np.exp(-a) + np.log(a) * np.sqrt(a) + np.tanh(a) - np.arctan(a), (POSITIVE,)),
    "circles": (lambda a: np.sin(a) ** 2 + np.cos(a) + np.tan(a), (FLOATS[:8],)),
    "logarithms": (lambda a: np.log2(a) + np.log10(a) + np.exp2(a), (POSITIVE[:8],)),
    "powers": (lambda a, b: a**3 + a**0.5 + a**b + np.square(a), (POSITIVE[:8], FLOATS[:8])),
    "rounding": (lambda a: np.floor(a) + 2 * np.ceil(a) + 4 * np.rint(a) + np.sign(a), (FLOATS,)),
    "remainders": (lambda a, b: a % b + a // b + np.fmod(a, b), (FLOATS, POSITIVE)),
    "choice": (lambda a, b: np.where((a > b) | (a == 0.5), np.maximum(a, 0), np.minimum(b, 1)), (FLOATS, POSITIVE)),
    "no choice": (lambda a: np.where(np.logical_not(a > 0) & (a != 0), 1.0, 0.5), (FLOATS,)),
    "clip": (lambda a: np.clip(a, -1, 2) + a.clip(0, 1) + abs(a), (FLOATS,)),
    "a comparison": (lambda a, b: a <= b, (FLOATS, POSITIVE)),
    "whole numbers": (lambda a, b: a * b + a // b - a % b + np.fmod(a, b), (WHOLE, DIVISORS)),
    "bits": (lambda a, b: (a & b) | (a ^ 5) << 2, (WHOLE, DIVISORS)),
    "unsigned": (lambda a: (a >> 1) ^ (a & 0xFF) | ~a, (WORDS,)),
    "quotients of whole numbers": (lambda a, b: (a / b).astype(np.float32), (WHOLE, DIVISORS)),
    "whole numbers and floats": (lambda a, b: (a * b).astype("float32"), (WHOLE, FLOATS)),
    "casts": (lambda a: (a.astype("int32") * 3).astype("float32") + a, (FLOATS,)),
    "to bytes": (lambda a: (np.clip(a, 0, 1) * 255).astype("uint8"), (FLOATS,)),
    "bytes as they are": (lambda a: a, (BYTES,)),
    "bools": (lambda a, b: (a > 0) * b, (WHOLE, FLOATS)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_function_means_what_numpy_makes_of_it(name: str):
    function, arrays = CASES[name]
    names = parameters_of(function)
    traced = trace(function, {n: dtype_of(array) for n, array in zip(names, arrays, strict=True)})
    with np.errstate(all="ignore"):
        wanted = np.asarray(function(*arrays))
    given = (array.astype(np.int32) if array.dtype == np.uint8 else array for array in arrays)
    got = interpret.apply(traced.function, *given)
    assert traced.dtype.numpy == (np.float32 if wanted.dtype == np.float64 else wanted.dtype)
    np.testing.assert_allclose(got.astype(np.float64), wanted.astype(np.float64), rtol=2e-6, atol=2e-6)


def test_bytes_are_computed_with_in_32_bits():
    traced = trace(lambda a: a + a, {"a": dtype_of(BYTES)})
    assert traced.dtype.name == "i32"
    assert list(interpret.apply(traced.function, BYTES.astype(np.int32))) == [2 * int(byte) for byte in BYTES]


def test_a_function_called_within_reads_as_one():
    def swish(x):
        return x / (1 + np.exp(-x))

    traced = trace(lambda a, gain: swish(a) * gain, {"a": dtype_of(FLOATS), "gain": dtype_of(FLOATS)})
    got = interpret.apply(traced.function, FLOATS, POSITIVE)
    np.testing.assert_allclose(got, swish(FLOATS) * POSITIVE, rtol=2e-6)


REFUSED: dict[str, tuple[Callable[..., Any], type[IntabError], str]] = {
    "if": (lambda a: a if a > 0 else -a, KernelError, "Use np.where"),
    "max": (lambda a: max(a, 0), KernelError, "np.minimum and np.maximum"),
    "sum": (lambda a: np.sum(a), KernelError, "uses np.sum, which kernels do not have"),
    "reduce": (lambda a: np.add.reduce(a), KernelError, "uses np.add.reduce"),
    "index": (lambda a: a[0], KernelError, "sees one element"),
    "float": (lambda a: float(a), KernelError, "sees one element"),
    "array": (lambda a: a + FLOATS, KernelError, "make it one more parameter"),
    "text": (lambda a: a + "1", KernelError, "uses str as a number"),
    "gamma": (lambda a: np.sinh(a), KernelError, "uses np.sinh, which kernels do not have. They have absolute"),
    "two": (lambda a: (a, a), KernelError, "returned tuple, and one number is wanted"),
    "bits of floats": (lambda a: a & 1, DTypeError, "takes whole numbers or bools, not float32"),
    "doubles": (lambda a: a.astype("float64"), IntabError, "cannot hold float64"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_kernels_cannot_do_is_refused_with_what_to_write_instead(name: str):
    function, kind, words = REFUSED[name]
    with pytest.raises(kind, match=words):
        trace(function, {"a": dtype_of(FLOATS)})


def test_dtypes_that_do_not_go_together():
    with pytest.raises(DTypeError, match="puts int32 and uint32 together"):
        trace(lambda a, b: a + b, {"a": dtype_of(WHOLE), "b": dtype_of(WORDS)})


def test_parameters_are_plain():
    with pytest.raises(KernelError, match=r"\*more"):
        parameters_of(lambda a, *more: a)
    with pytest.raises(KernelError, match="none is not so"):
        parameters_of(lambda: 1)
