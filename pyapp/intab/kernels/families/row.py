"""Row kernels: several passes over one row of contiguous elements, in f32. Axes other than the last are moved first."""

from collections.abc import Callable
from functools import cache

from intab.kernels import functions
from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families.loops import check_lanes, fold_lanes, stream, widened
from intab.kernels.ir import F32, I32, Binary, Cast, Const, Expr, Fma, Kernel, Select, Unary, Var, Word

Step = Callable[[int, Expr], Expr]

CHAINS = 4


def larger(first: Expr, second: Expr) -> Expr:
    """The larger of two; not bothering about NaN is one instruction on WebAssembly, where `maximum` is eight."""
    return Select(first.lt(second), second, first)


def _sum(first: Expr, second: Expr) -> Expr:
    return Binary("add", first, second)


@cache
def softmax(*, lanes: int, logarithm: bool = False) -> Kernel:
    """y = exp(x - max) / sum of the same over each row, or its logarithm: x - max - log(sum).

    Buffers: x, y (may be the same memory). Words: length. x and y are [rows, length], contiguous. Items: rows.
    """
    check_lanes(lanes)
    kernel = KernelWriter("log_softmax" if logarithm else "softmax")
    x, y = kernel.buffer("x", "f32", "read"), kernel.buffer("y", "f32", "read_write")
    length = kernel.word("length")
    with kernel.tile("row"):
        start = kernel.let("start", kernel.item * length)
        largest = _fold(kernel, x, start, length, lanes, -functions.INFINITY, larger, lambda _, value: value)

        def exponential(width: int, value: Expr) -> Expr:
            return functions.exp(kernel, value - widened(largest, width))

        if logarithm:
            total = _fold(kernel, x, start, length, lanes, 0.0, _sum, exponential)
            log_total = functions.log(kernel, total)
            _map(kernel, x, y, start, length, lanes, lambda w, v: v - widened(largest, w) - widened(log_total, w))
        else:
            total = _fold(kernel, x, start, length, lanes, 0.0, _sum, exponential, keep_in=y)
            share = kernel.let("share", Const(1.0, F32) / total)
            _map(kernel, y, y, start, length, lanes, lambda w, v: v * widened(share, w))
    return kernel.kernel()


@cache
def layer_norm(*, lanes: int, scale: bool = True, bias: bool = True, centered: bool = True) -> Kernel:
    """y = (x - mean) / sqrt(variance + epsilon) * scale + bias over each row; not `centered`, mean = 0 (RMS norm).

    Buffers: x, scale and bias [length] where asked for, y (may be x). Words: length, epsilon (f32).
    x and y are [rows, length], contiguous. Items: rows. The variance is that of x - mean, in a pass of its own.
    """
    check_lanes(lanes)
    kernel = KernelWriter("layer_norm" if centered else "rms_norm")
    x = kernel.buffer("x", "f32", "read")
    sides = [kernel.buffer(n, "f32", "read") for n, wanted in (("scale", scale), ("bias", bias)) if wanted]
    y = kernel.buffer("y", "f32", "write")
    length, epsilon = kernel.word("length"), kernel.word("epsilon", F32)
    with kernel.tile("row"):
        start = kernel.let("start", kernel.item * length)
        count = kernel.let("count", Cast(length, F32))
        mean: Var | None = None
        if centered:
            mean = kernel.let("mean", _fold(kernel, x, start, length, lanes, 0.0, _sum, lambda _, v: v) / count)

        def from_mean(width: int, value: Expr) -> Expr:
            return value if mean is None else kernel.let("distance", value - widened(mean, width))

        def square(width: int, value: Expr) -> Expr:
            distance = from_mean(width, value)
            return distance * distance

        variance = _fold(kernel, x, start, length, lanes, 0.0, _sum, square) / count
        factor = kernel.let("factor", Const(1.0, F32) / Unary("sqrt", variance + epsilon))
        places = [kernel.let(f"{side}_at", at(side, 0)) for side in sides]

        def normal(width: int, value: Expr) -> Expr:
            result = from_mean(width, value) * widened(factor, width)
            loaded = [load(side, place, F32.wide(width)) for side, place in zip(sides, places, strict=True)]
            match scale, bias:
                case True, True:
                    return Fma(result, loaded[0], loaded[1])
                case True, False:
                    return result * loaded[0]
                case False, True:
                    return result + loaded[0]
                case _:
                    return result

        _map(kernel, x, y, start, length, lanes, normal, places)
    return kernel.kernel()


def _fold(
    kernel: KernelWriter,
    source: str,
    start: Expr,
    length: Word,
    lanes: int,
    first: float,
    combine: Callable[[Expr, Expr], Expr],
    step: Step,
    keep_in: str | None = None,
) -> Expr:
    """combine(...) of step(element) over a row, starting from `first`; the steps are stored in `keep_in`.

    Vectors take turns among CHAINS results, since each combination waits for the last one to the same.
    """
    reading = kernel.let("reading", at(source, start))
    pointers = [reading]
    keeping = kernel.let("keeping", at(keep_in, start)) if keep_in else None
    if keeping is not None:
        pointers.append(keeping)
    chains = CHAINS if lanes > 1 else 1
    results = [kernel.let("folding", Const(first, F32.wide(lanes))) for _ in range(chains)]
    rest = results[0] if lanes == 1 else kernel.let("folding", Const(first, F32))

    def body(width: int, into: list[Var]) -> None:
        for number, result in enumerate(into):
            value = step(width, kernel.let("value", load(source, reading, F32.wide(width), width * number)))
            if keep_in and keeping is not None:
                kernel.store(keep_in, keeping, value, width * number)
            kernel.assign(result, combine(result, value))

    together = kernel.let("together", length & -(lanes * chains))
    for begin, end, width, into in (
        (Const(0, I32), together, lanes, results),
        (together, length & -lanes, lanes, results[:1]),
        (length & -lanes, length, 1, [rest]),
    ):
        with kernel.loop("i", begin, end, width * len(into)):
            body(width, into)
            for pointer in pointers:
                kernel.advance(pointer, width * len(into))
    if lanes == 1:
        return rest
    while len(results) > 1:
        half = len(results) // 2
        results = [kernel.let("folded", combine(results[i], results[i + half])) for i in range(half)]
    return kernel.let("folded", combine(fold_lanes(kernel, results[0], combine), rest))


def _map(
    kernel: KernelWriter,
    source: str,
    target: str,
    start: Expr,
    length: Word,
    lanes: int,
    step: Step,
    others: list[Var] | None = None,
) -> None:
    """target = step(source) over a row; pointers in `others` move along."""
    reading = kernel.let("reading", at(source, start))
    writing = kernel.let("writing", at(target, start))

    def body(width: int) -> None:
        value = kernel.let("value", load(source, reading, F32.wide(width)))
        kernel.store(target, writing, step(width, value))

    stream(kernel, length, lanes, [reading, writing, *(others or [])], body)
