"""Cases of rows, reductions and places of extremes."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from scipy import special

from intab.kernels import functions
from intab.kernels.families import arg, reduce, row
from intab.kernels.families.reduce import Reduction
from intab.kernels.ir import F32
from tests.kernels.case import (
    LANES,
    Array,
    KernelCase,
    case,
    ceil_div,
    integers,
    normal,
)


def rows() -> Iterator[KernelCase]:
    for length in (1, 3, 8, 23):
        x = normal(4, length) * 5
        shifted = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
        soft = (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32)
        words: dict[str, float] = {"length": length}
        yield case(f"softmax-{length}", row.softmax(lanes=LANES), {"x": x}, words, 4, soft, tolerance=1e-5)
        kernel = row.softmax(lanes=LANES, logarithm=True)
        log_soft = special.log_softmax(x.astype(np.float64), axis=1).astype(np.float32)
        yield case(f"log-softmax-{length}", kernel, {"x": x}, words, 4, log_soft, tolerance=1e-5)
        scale, bias = normal(length), normal(length)
        wide = x.astype(np.float64)
        distance = wide - wide.mean(axis=1, keepdims=True)
        norm = distance / np.sqrt((distance**2).mean(axis=1, keepdims=True) + 1e-3)
        norm_words = {"length": length, "epsilon": 1e-3}
        inputs = {"x": x, "scale": scale, "bias": bias}
        wanted = (norm * scale + bias).astype(np.float32)
        yield case(f"layer-norm-{length}", row.layer_norm(lanes=LANES), inputs, norm_words, 4, wanted, tolerance=1e-4)
        kernel = row.layer_norm(lanes=LANES, bias=False, centered=False)
        wanted = (wide / np.sqrt((wide**2).mean(axis=1, keepdims=True) + 1e-3) * scale).astype(np.float32)
        yield case(f"rms-norm-{length}", kernel, {"x": x, "scale": scale}, norm_words, 4, wanted, tolerance=1e-5)
    masked = np.where(normal(3, 9) > 0.5, -np.inf, normal(3, 9)).astype(np.float32)
    soft = special.softmax(masked.astype(np.float64), axis=1).astype(np.float32)
    yield case("softmax-masked", row.softmax(lanes=LANES), {"x": masked}, {"length": 9}, 3, soft, tolerance=1e-5)


MEANINGS: dict[str, Callable[..., Array]] = {
    "sum": np.sum,
    "mean": np.mean,
    "prod": np.prod,
    "max": np.max,
    "min": np.min,
}


def reductions() -> Iterator[KernelCase]:
    for op, meaning in MEANINGS.items():
        for length in (1, 5, 16, 43):
            x = normal(3, length)
            kernel = reduce.reduce_last(Reduction(op), lanes=LANES)
            wanted = meaning(x.astype(np.float64), axis=1).astype(np.float32)
            yield case(f"{op}-last-{length}", kernel, {"x": x}, {"length": length}, 3, wanted, tolerance=1e-5)
        for outer, reduced, inner in ((2, 5, 7), (1, 300, 3), (1, 4, 37)):
            x = normal(outer, reduced, inner) if op != "prod" else 1 + normal(outer, reduced, inner) / 50
            kernel = reduce.reduce_middle(Reduction(op), lanes=LANES)
            items = outer * ceil_div(inner, reduce.middle_block(LANES))
            wanted = meaning(x.astype(np.float64), axis=1).astype(np.float32)
            words = {"reduced": reduced, "inner": inner}
            yield case(f"{op}-middle-{outer}x{reduced}x{inner}", kernel, {"x": x}, words, items, wanted, tolerance=1e-4)
    m = integers("int32", 3, 21)
    kernel = reduce.reduce_last(Reduction("sum", "i32"), lanes=LANES)
    yield case("sum-last-i32", kernel, {"x": m}, {"length": 21}, 3, m.sum(axis=1).astype(np.int32))
    kernel = reduce.reduce_middle(Reduction("max", "i32"), lanes=LANES)
    yield case("max-middle-i32", kernel, {"x": m}, {"reduced": 3, "inner": 21}, 2, m.max(axis=0))
    wide = integers("int32", 1, 5, 21) * 7
    kernel = reduce.reduce_middle(Reduction("mean", "i32"), lanes=LANES)
    mean = np.trunc(wide.mean(axis=1)).astype(np.int32)
    yield case("mean-middle-i32", kernel, {"x": wide}, {"reduced": 5, "inner": 21}, 2, mean)
    for dtype, zero in (("u8", 3), ("i8", -100)):
        octets = (integers("int32", 2, 300, 37) % 256 + (0 if dtype == "u8" else -128)).astype(
            {"u8": "u1"}.get(dtype, "i1")
        )
        real = (octets.astype(np.float64) - zero) * 0.25
        levels = {"x": octets, "scale": np.array([0.25], np.float32), "zero": np.array([zero], octets.dtype)}
        for in_order in (False, True):
            kernel = reduce.reduce_middle(Reduction("mean", in_order=in_order, stored=dtype), lanes=LANES)
            items = 2 * ceil_div(37, reduce.middle_block(LANES))
            wanted, words = real.mean(axis=1).astype(np.float32), {"reduced": 300, "inner": 37}
            name = f"mean-middle-{dtype}-{in_order}"
            yield case(name, kernel, levels, words, items, wanted, tolerance=1e-5)
        kernel = reduce.reduce_last(Reduction("mean", stored=dtype), lanes=LANES)
        wanted = real.mean(axis=2).reshape(-1).astype(np.float32)
        yield case(f"mean-last-{dtype}", kernel, levels, {"length": 37}, 600, wanted, tolerance=1e-5)
    square = functions.scalar_function(lambda _, v: v * v, F32)
    root = functions.scalar_function(lambda b, v: functions.sqrt(b, v), F32)
    kernel = reduce.reduce_last(Reduction("sum", before=square, after=root), lanes=LANES)
    x = normal(2, 19)
    yield case("norm-last", kernel, {"x": x}, {"length": 19}, 2, np.sqrt((x * x).sum(axis=1)), tolerance=1e-5)
    x = np.array([[1, np.nan, 3, 2, 1], [1, -np.inf, 3, 2, np.inf]], np.float32)
    kernel = reduce.reduce_last(Reduction("max"), lanes=LANES)
    yield replace(case("max-nan", kernel, {"x": x}, {"length": 5}, 2, x.max(axis=1)), needs_nan=True)


def places_of_best() -> Iterator[KernelCase]:
    for length in (1, 2, 5, 8, 23):
        x = integers("int32", 4, length) % 4
        for last in (False, True):
            turned = x[:, ::-1] if last else x
            for largest in (True, False):
                found = (np.argmax if largest else np.argmin)(turned, axis=1)
                wanted = length - 1 - found if last else found
                kernel = arg.arg_last(lanes=LANES, largest=largest, last=last)
                name = f"arg-{'max' if largest else 'min'}-{'last' if last else 'first'}-{length}"
                yield case(name, kernel, {"x": x.astype(np.float32)}, {"length": length}, 4, wanted.astype(np.int64))
    kernel = arg.arg_last(lanes=LANES, dtype="i32", output="i32")
    yield case("arg-max-i32", kernel, {"x": x}, {"length": 23}, 4, x.argmax(axis=1).astype(np.int32))
    nothing = np.full((2, 2), -np.inf, np.float32)
    kernel = arg.arg_last(lanes=LANES)
    yield case("arg-max-minus-infinity", kernel, {"x": nothing}, {"length": 2}, 2, np.zeros(2, np.int64))
