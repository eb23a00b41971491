"""Eight 16-bit numbers in a vector: their meaning, their rules, and where they do not exist."""

import numpy as np
import pytest

from intab.dtypes import DTYPES
from intab.errors import KernelError, UnsupportedOpError
from intab.kernels import interpret
from intab.kernels.block import KernelWriter, load
from intab.kernels.ir import (
    I16X8,
    I32,
    Bitcast,
    Const,
    DotPairs,
    Expr,
    Kernel,
    Load,
    Narrow,
    Type,
    Unary,
    Widen,
)
from intab.kernels.text import kernel_text
from intab.kernels.verify import verify
from intab.kernels.wgsl import generate

HALVES = load("x", 0, I16X8)


def writing(value: Expr, dtype: str = "i16") -> Kernel:
    k = KernelWriter("halves")
    k.buffer("x", dtype, "read")
    k.store(k.buffer("y", "i32", "write"), 0, value)
    return k.kernel()


def run(kernel: Kernel, x: np.ndarray) -> list[int]:
    buffers = {"x": x, "y": np.zeros(4, np.int32)}
    interpret.run(kernel, buffers, {}, {}, 0, 1)
    return list(buffers["y"])


def test_pairs_are_multiplied_and_summed() -> None:
    x = np.array([1, 2, -3, 4, 32767, -32768, -32768, -32768], np.int16)
    # Only the last lane wraps, as WebAssembly's i32x4.dot_i16x8_s does.
    assert run(writing(DotPairs(HALVES, HALVES)), x) == [5, 25, 32767**2 + 2**30, -(2**31)]
    for dtype, numbers in (("u8", [0, 255, 1, 2, 3, 4, 5, 6]), ("i8", [-128, 127, 1, 2, 3, 4, 5, 6])):
        squares = [a * a + b * b for a, b in zip(numbers[::2], numbers[1::2], strict=True)]
        assert (
            run(writing(DotPairs(HALVES, HALVES), dtype), np.array(numbers, {"u8": "uint8", "i8": "int8"}[dtype]))
            == squares
        )


def test_sums_wrap_and_bits_are_shared() -> None:
    x = np.array([32767, 0, 1, -1, 2, 3, -32768, 5], np.int16)
    doubled = (x + x).view(np.int32).tolist()
    assert run(writing(Bitcast(HALVES + HALVES, I32.wide(4))), x) == doubled


def test_the_larger_and_the_smaller_of_each_lane() -> None:
    x = np.array([-32768, 3, 32767, -1, 0, 7, -9, 200], np.int16)
    other = load("x", 0, I16X8)
    largest = HALVES.maximum(Bitcast(Const(0, I32.wide(4)), I16X8)).minimum(other)
    assert run(writing(Bitcast(largest, I32.wide(4))), x) == list(np.minimum(np.maximum(x, 0), x).view(np.int32))


def test_eight_numbers_of_four_and_four() -> None:
    x = np.array([1, -2, 40000, -40000, 32767, -32768, 7, 300], np.int32)
    first, second = (load("x", 4 * i, I32.wide(4)) for i in range(2))
    narrow = Narrow(first, second)
    assert run(writing(Widen(narrow, last=False), "i32"), x) == [1, -2, 32767, -32768]
    assert run(writing(Widen(narrow, last=True), "i32"), x) == [32767, -32768, 7, 300]


@pytest.mark.parametrize(("dtype", "numbers"), [("u8", [0, 255, 3, 0, 255]), ("i8", [-128, 127, 3, -5, 127])])
def test_bytes_saturate_when_stored(dtype: str, numbers: list[int]) -> None:
    k = KernelWriter("bytes")
    k.buffer("x", "i16", "read")
    k.store(k.buffer("y", dtype, "write"), 0, HALVES)
    y = np.zeros(8, DTYPES[dtype].numpy)
    interpret.run(k.kernel(), {"x": np.array([-700, 700, 3, -5, 256, 0, 0, 0], np.int16), "y": y}, {}, {}, 0, 1)
    assert y[:5].tolist() == numbers


def test_text() -> None:
    assert "y[0] = dot_pairs(x[0]:i16x8, x[0]:i16x8)" in kernel_text(writing(DotPairs(HALVES, HALVES)))


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        (DotPairs(HALVES, load("x", 0, I32.wide(4))), "i32", "used with i16x8"),
        (DotPairs(Const(0, I32.wide(4)), HALVES), "i16", "left side of dot_pairs: i32x4"),
        (Bitcast(load("x", 0, Type("i16", 4)), I32.wide(4)), "i16", "used with i16x4"),
        (Bitcast(HALVES, I32.wide(8)), "i16", "shares its bits with i32x4 only"),
        (Bitcast(Unary("neg", HALVES), I32.wide(4)), "i16", "neg of i16x8"),
        (Bitcast(HALVES * HALVES, I32.wide(4)), "i16", "mul of i16x8"),
        (Bitcast(Load("x", Const(0, I32), 0, Type("i16")), I32), "i16", "used with i16"),
        (HALVES, "i16", "buffer y of i32 used with i16x8"),
        (Widen(load("x", 0, I32.wide(4)), last=False), "i32", "what is widened: i32x4"),
        (Bitcast(Narrow(HALVES, Const(0, I32.wide(4))), I32.wide(4)), "i16", "the left side of narrow: i16x8"),
    ],
)
def test_what_halves_cannot_do_is_refused(value: Expr, dtype: str, message: str) -> None:
    with pytest.raises(KernelError, match=message):
        verify(writing(value, dtype))


def test_wgsl_refuses_them() -> None:
    k = KernelWriter("halves")
    x, y = k.buffer("x", "i32", "read"), k.buffer("y", "i32", "write")
    pairs = Bitcast(load(x, 0, I32.wide(4)), I16X8)
    k.store(y, 0, DotPairs(pairs, pairs))
    verify(k.kernel())
    with pytest.raises(UnsupportedOpError, match="Kernel halves: WGSL has no products of 16-bit pairs"):
        generate(k.kernel())
