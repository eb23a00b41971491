"""Kernels with inputs and the right outputs, for the interpreter and every generator alike."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from intab.kernels import functions
from intab.kernels.families import arg, elementwise, matmul, move, pool, reduce, resize, row
from intab.kernels.families.elementwise import CONTIGUOUS, SPLAT, STRIDED, Operand
from intab.kernels.families.reduce import Reduction
from intab.kernels.families.register_tile import TILE_COLUMNS, TILE_ROWS, Epilogue, pack_panels, pad_columns
from intab.kernels.ir import BOOL, F32, I32, I64, Cast, Kernel, Select
from intab.kernels.scalar import ScalarFunction
from intab.ops.resize import COORDINATES, ROUNDINGS
from tests.kernels.operations import operations

Array = NDArray[Any]
LANES = 4


@dataclass(frozen=True)
class KernelCase:
    """A kernel, `buffers` as they are before it runs, and `expected`: some of them as they are after.

    A buffer's first element lies at `offsets[name]` of its array. `tolerance` is of the agreement measure.
    """

    name: str
    kernel: Kernel
    buffers: dict[str, Array]
    words: Mapping[str, float]
    items: int
    expected: dict[str, Array]
    offsets: dict[str, int] = field(default_factory=dict)
    tolerance: float = 0.0
    needs_nan: bool = False  # shading languages may take NaN for any number

    def __str__(self) -> str:
        return self.name


def agreement(found: Array, expected: Array) -> float:
    """max of |a - b| / (|b| + 0.05 max|b| + 1e-6); infinite where NaN or infinity do not match."""
    if found.dtype.kind != "f":
        return 0.0 if np.array_equal(found, expected) else np.inf
    finite = np.isfinite(expected)
    if not np.array_equal(found[~finite], expected[~finite], equal_nan=True) or not np.isfinite(found[finite]).all():
        return np.inf
    a, b = found[finite].astype(np.float64), expected[finite].astype(np.float64)
    if not a.size:
        return 0.0
    return float(np.max(np.abs(a - b) / (np.abs(b) + 0.05 * np.max(np.abs(b)) + 1e-6)))


_random = np.random.default_rng(3)


def normal(*shape: int) -> Array:
    return _random.normal(size=shape).astype(np.float32)


def integers(dtype: str, *shape: int) -> Array:
    return _random.integers(-9 if dtype[0] == "i" else 0, 9, shape).astype(dtype)


def case(
    name: str,
    kernel: Kernel,
    inputs: dict[str, Array],
    words: Mapping[str, float],
    items: int,
    expected: Array,
    *,
    tolerance: float = 0.0,
    output: str = "y",
    spare: int = 3,
) -> KernelCase:
    """A case of one output, which starts `spare` elements into its buffer and has as many behind it."""
    result = np.ones(expected.size + 2 * spare, expected.dtype)
    result[spare : spare + expected.size] = expected.reshape(-1)
    before = np.ones(result.size, expected.dtype)
    buffers = {n: np.ascontiguousarray(a).reshape(-1) for n, a in inputs.items()}
    return KernelCase(
        name,
        kernel,
        {**buffers, output: before},
        words,
        items,
        {output: result},
        offsets={output: spare},
        tolerance=tolerance,
    )


def contiguous_strides(name: str, shape: tuple[int, ...]) -> dict[str, float]:
    """Words for the strides of a contiguous tensor's outer axes."""
    return {f"{name}_stride_{axis}": int(np.prod(shape[axis + 1 :])) for axis in range(len(shape) - 1)}


def sizes(shape: tuple[int, ...]) -> dict[str, float]:
    words: dict[str, float] = {"length": shape[-1]}
    words.update({f"size_{axis}": shape[axis] for axis in range(1, len(shape) - 1)})
    return words


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def unary(name: str) -> ScalarFunction:
    return functions.scalar_function(getattr(functions, name), F32)


ADD = functions.scalar_function(lambda _, a, b: a + b, F32, F32)
ADD_INTEGERS = functions.scalar_function(lambda _, a, b: a + b, I32, I32)
ADD_LONG = functions.scalar_function(lambda _, a, b: a + b, I64, I64)
LESS = functions.scalar_function(lambda _, a, b: a.lt(b), F32, F32)
WHERE = functions.scalar_function(lambda _, c, a, b: Select(c, a, b), BOOL, F32, F32)


def elementwise_flat() -> Iterator[KernelCase]:
    for count in (1, 3, 4, 9, 64, 5000):
        x, y = normal(count), normal(count)
        kernel = elementwise.flat(ADD, (Operand("f32"), Operand("f32")), "f32", lanes=LANES)
        yield case(f"add-{count}", kernel, {"x0": x, "x1": y}, {"count": count}, ceil_div(count, 4096), x + y)
    x = normal(45) * 4
    meanings: list[tuple[str, Callable[[Array], Array]]] = [
        ("exp", np.exp),
        ("sigmoid", special.expit),
        ("tanh", np.tanh),
        ("erf", special.erf),
        ("gelu", lambda v: v * special.ndtr(v)),
        ("softplus", lambda v: np.logaddexp(0, v)),
    ]
    for name, meaning in meanings:
        kernel = elementwise.flat(unary(name), (Operand("f32"),), "f32", lanes=LANES)
        yield case(name, kernel, {"x0": x}, {"count": 45}, 1, meaning(x), tolerance=1e-5)
    kernel = elementwise.flat(unary("log"), (Operand("f32"),), "f32", lanes=LANES)
    yield case("log", kernel, {"x0": np.abs(x)}, {"count": 45}, 1, np.log(np.abs(x)), tolerance=1e-5)
    single = normal(1)
    kernel = elementwise.flat(ADD, (Operand("f32"), Operand("f32", SPLAT)), "f32", lanes=LANES)
    yield case("add-splat", kernel, {"x0": x, "x1": single}, {"count": 45}, 1, x + single)
    kernel = elementwise.flat(LESS, (Operand("f32"), Operand("f32", SPLAT)), "bool", lanes=LANES)
    yield case("less", kernel, {"x0": x, "x1": single}, {"count": 45}, 1, x < single)
    a, b, c = normal(21), normal(21), normal(21) > 0
    kernel = elementwise.flat(WHERE, (Operand("bool"), Operand("f32"), Operand("f32")), "f32", lanes=LANES)
    yield case("where", kernel, {"x0": c, "x1": a, "x2": b}, {"count": 21}, 1, np.where(c, a, b))
    for dtype, function in [("i64", ADD_LONG), *((d, ADD_INTEGERS) for d in ("i32", "u8", "i8", "i16"))]:
        name = {"u8": "uint8"}.get(dtype, "int" + dtype[1:])
        m, n = integers(name, 19), integers(name, 19)
        kernel = elementwise.flat(function, (Operand(dtype), Operand(dtype)), dtype, lanes=LANES)
        yield case(f"add-{dtype}", kernel, {"x0": m, "x1": n}, {"count": 19}, 1, m + n)
    widen = functions.scalar_function(lambda _, v: Cast(v, I64), F32)
    kernel = elementwise.flat(widen, (Operand("f32"),), "i64", lanes=LANES)
    yield case("cast-i64", kernel, {"x0": x}, {"count": 45}, 1, x.astype(np.int64))


def elementwise_strided() -> Iterator[KernelCase]:
    subtract = functions.scalar_function(lambda _, a, b: a - b, F32, F32)
    shape = (2, 3, 5, 7)
    smaller: list[tuple[int, ...]] = [(1, 3, 1, 7), (2, 1, 5, 1), (1, 1, 1, 7), (2, 3, 5, 7)]
    for small in smaller:
        x, b = normal(*shape), normal(*small)
        inner = SPLAT if small[-1] == 1 else CONTIGUOUS
        kernel = elementwise.elementwise(
            subtract, 4, (Operand("f32"), Operand("f32", inner)), Operand("f32"), lanes=LANES
        )
        strides = {f"x1_stride_{axis}": 0 if small[axis] == 1 else int(np.prod(small[axis + 1 :])) for axis in range(3)}
        words = {**sizes(shape), **contiguous_strides("x0", shape), **strides, **contiguous_strides("y", shape)}
        name = "subtract-" + "x".join(map(str, small))
        yield case(name, kernel, {"x0": x, "x1": b}, words, 30, x - b)
    x = normal(3, 5)
    b = normal(3, 1)
    kernel = elementwise.elementwise(subtract, 2, (Operand("f32"), Operand("f32", SPLAT)), Operand("f32"), lanes=LANES)
    words = {"length": 5, "x0_stride_0": 5, "x1_stride_0": 1, "y_stride_0": 5}
    yield case("subtract-column", kernel, {"x0": x, "x1": b}, words, 3, x - b)


def copies() -> Iterator[KernelCase]:
    x = normal(3, 4, 5)
    shape = (5, 3, 4)
    kernel = elementwise.copy("f32", 3, source=STRIDED, target=CONTIGUOUS, lanes=LANES)
    words = {
        **sizes(shape),
        "x0_stride_0": 1,
        "x0_stride_1": 20,
        "x0_stride_2": 5,
        **contiguous_strides("y", shape),
    }
    yield case("copy-transposed", kernel, {"x0": x}, words, 15, x.transpose(2, 0, 1))
    kernel = elementwise.copy("f32", 1, source=STRIDED, target=CONTIGUOUS, lanes=LANES)
    flipped = case("copy-flipped", kernel, {"x0": x}, {"length": 60, "x0_stride_0": -1}, 1, x.reshape(-1)[::-1])
    yield replace(flipped, offsets={**flipped.offsets, "x0": 59})
    b = integers("int64", 4, 6)
    kernel = elementwise.copy("i64", 2, source=CONTIGUOUS, target=CONTIGUOUS, lanes=LANES)
    words = {"length": 3, "x0_stride_0": 6, "y_stride_0": 3}
    yield case("copy-sliced-i64", kernel, {"x0": b}, words, 4, b[:, :3])
    kernel = elementwise.copy("bool", 2, source=SPLAT, target=CONTIGUOUS, lanes=LANES)
    c = normal(4) > 0
    words = {"length": 3, "x0_stride_0": 1, "y_stride_0": 3}
    yield case("copy-expanded-bool", kernel, {"x0": c}, words, 4, np.repeat(c[:, None], 3, axis=1))
    joined = np.ones((3, 11), np.float32)
    part = normal(3, 6)
    joined[:, 4:10] = part
    kernel = elementwise.copy("f32", 2, source=CONTIGUOUS, target=CONTIGUOUS, lanes=LANES)
    words = {"length": 6, "x0_stride_0": 6, "y_stride_0": 11}
    before = np.ones(33, np.float32)
    buffers = {"x0": part.reshape(-1), "y": before}
    yield KernelCase("copy-into-concat", kernel, buffers, words, 3, {"y": joined.reshape(-1)}, {"y": 4})
    kernel = elementwise.copy("i32", 2, source=CONTIGUOUS, target=STRIDED, lanes=LANES)
    m = integers("int32", 3, 5)
    words = {"length": 5, "x0_stride_0": 5, "y_stride_0": 1, "y_stride_1": 3}
    yield case("copy-target-strided", kernel, {"x0": m}, words, 3, m.T)


def moves() -> Iterator[KernelCase]:
    for dtype, value in (("f32", 0.5), ("i64", -3), ("u8", 7), ("i32", 4)):
        name = {"f32": "float32", "u8": "uint8"}.get(dtype, "int" + dtype[1:])
        yield case(
            f"fill-{dtype}",
            move.fill(dtype, lanes=LANES),
            {},
            {"count": 4101, "value": value},
            2,
            np.full(4101, value, name),
        )
    for before, after in (
        ((0, 1, 2), (2, 0, 1)),
        ((1, -1, -2), (0, 1, 3)),
        ((0, 0, 0), (0, 0, 0)),
        ((0, 0, 9), (0, -2, -4)),
    ):
        x = normal(2, 3, 7)
        clipped = x[:, max(-before[1], 0) : 3 + min(after[1], 0), max(-before[2], 0) : 7 + min(after[2], 0)]
        wanted = np.pad(
            clipped, [(max(b, 0), max(a, 0)) for b, a in zip(before, after, strict=True)], constant_values=0.5
        )
        words = {"value": 0.5, "stride_0": 21, "stride_1": 7}
        for axis in range(3):
            words.update(
                {f"size_{axis}": x.shape[axis], f"before_{axis}": before[axis], f"out_{axis}": wanted.shape[axis]}
            )
        rows = wanted.shape[0] * wanted.shape[1]
        yield case(f"pad-{before}-{after}", move.pad("f32", 3, lanes=LANES), {"x": x}, words, rows, wanted)
    table = normal(2, 5, 6)
    for indices in ("int64", "int32"):
        index = np.array([4, 0, -1, -5], indices)
        kernel = move.gather("f32", indices="i" + indices[3:], lanes=LANES)
        words = {"size": 5, "count": 4, "inner": 6}
        yield case(f"gather-{indices}", kernel, {"x": table, "indices": index}, words, 8, table[:, index])
    for batch, rows, columns in ((1, 3, 50), (2, 17, 16), (1, 33, 5), (1, 1, 7)):
        x = normal(batch, rows, columns)
        items = batch * ceil_div(rows, move.TRANSPOSE_BLOCK) * ceil_div(columns, move.TRANSPOSE_BLOCK)
        words = {"rows": rows, "columns": columns}
        name = f"transpose-{batch}x{rows}x{columns}"
        yield case(name, move.transpose("f32", lanes=LANES), {"x": x}, words, items, x.transpose(0, 2, 1))
    m = integers("int64", 1, 5, 6)
    kernel = move.transpose("i64", lanes=LANES)
    yield case("transpose-i64", kernel, {"x": m}, {"rows": 5, "columns": 6}, 1, m.transpose(0, 2, 1))


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


def pooled(
    x: Array, window: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int], pads: tuple[int, ...]
) -> Array:
    """What each tap sees, NaN outside the picture: [taps, N, out_y, out_x, C]."""
    top, left, bottom, right = pads
    wide = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=np.nan)
    out = [(wide.shape[axis + 1] - dilation[axis] * (window[axis] - 1) - 1) // stride[axis] + 1 for axis in (0, 1)]
    return np.stack(
        [
            wide[:, dy * dilation[0] :: stride[0]][:, : out[0]][:, :, dx * dilation[1] :: stride[1]][:, :, : out[1]]
            for dy in range(window[0])
            for dx in range(window[1])
        ]
    )


def pools() -> Iterator[KernelCase]:
    problems = [
        ((2, 2), (2, 2), (1, 1), (0, 0, 0, 0)),
        ((3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
        ((3, 2), (2, 1), (2, 3), (2, 0, 1, 3)),
        ((2, 2), (1, 1), (1, 1), (0, 0, 1, 1)),
        ((3, 3), (3, 2), (1, 1), (2, 2, 2, 2)),
        ((1, 6), (1, 5), (1, 1), (0, 4, 0, 4)),
    ]
    for window, stride, dilation, pads in problems:
        x = normal(2, 6, 7, 5)
        seen = pooled(x, window, stride, dilation, pads)
        _, n, out_height, out_width, channels = seen.shape
        values = (6, 7, channels, out_height, out_width, *window, *stride, *dilation, *pads[:2])
        words: dict[str, float] = dict(zip(pool.WORDS, values, strict=True))
        items = n * out_height
        maximum = np.nanmax(seen, axis=0)
        mean = np.nanmean(seen, axis=0).astype(np.float32)
        padded = np.nan_to_num(seen).mean(axis=0).astype(np.float32)
        for known in (None, window):
            name = f"{window}-{stride}-{dilation}-{pads}{'-unrolled' if known else ''}"
            kernel = pool.pool("max", lanes=LANES, window=known)
            yield case(f"max-pool-{name}", kernel, {"x": x}, words, items, maximum)
            kernel = pool.pool("average", lanes=LANES, window=known)
            yield case(f"mean-pool-{name}", kernel, {"x": x}, words, items, mean, tolerance=1e-5)
            kernel = pool.pool("average", lanes=LANES, count_padding=True, window=known)
            wide = {**words, "pad_bottom": pads[2], "pad_right": pads[3]}
            yield case(f"mean-pool-padded-{name}", kernel, {"x": x}, wide, items, padded, tolerance=1e-5)


def resizes() -> Iterator[KernelCase]:
    x = normal(2, 4, 5, 6)
    for coordinates in resize.COORDINATES:
        for out in ((8, 10), (3, 7), (1, 1)):
            for given in (False, True):
                scales = (out[0] / 4 * 1.01, out[1] / 5 * 0.99) if given else (out[0] / 4, out[1] / 5)
                words: dict[str, float] = dict(
                    zip(("height", "width", "channels", "out_height", "out_width"), (4, 5, 6, *out), strict=True)
                )
                if given:
                    words.update({"scale_y": scales[0], "scale_x": scales[1]})
                at = [
                    COORDINATES[coordinates](np.arange(o, dtype=np.float32), s, size, o).astype(np.float64)
                    for o, s, size in zip(out, scales, (4, 5), strict=True)
                ]
                name = f"{coordinates}-{out[0]}x{out[1]}{'-scaled' if given else ''}"
                for rounding in resize.ROUNDINGS:
                    if rounding in ("floor", "ceil") and coordinates == "half_pixel_symmetric" and given:
                        continue  # places fall on whole numbers but for the last bit, so either side is right
                    y, z = (
                        np.clip(ROUNDINGS[rounding](a), 0, s - 1).astype(int) for a, s in zip(at, (4, 5), strict=True)
                    )
                    kernel = resize.resize_nearest("f32", coordinates, rounding, given_scales=given, lanes=LANES)
                    items = 2 * out[0]
                    yield case(f"nearest-{rounding}-{name}", kernel, {"x": x}, words, items, x[:, y][:, :, z])
                kernel = resize.resize_linear(coordinates, given_scales=given, lanes=LANES)
                wanted = _linear(_linear(x.astype(np.float64), at[0], 1), at[1], 2).astype(np.float32)
                yield case(f"linear-{name}", kernel, {"x": x}, words, 2 * out[0], wanted, tolerance=1e-4)
    m = integers("uint8", 1, 2, 2, 3)
    kernel = resize.resize_nearest("u8", "asymmetric", "floor", given_scales=False, lanes=LANES)
    words = {"height": 2, "width": 2, "channels": 3, "out_height": 4, "out_width": 4}
    yield case("nearest-u8", kernel, {"x": m}, words, 4, m.repeat(2, axis=1).repeat(2, axis=2))


def _linear(x: Array, at: Array, axis: int) -> Array:
    below = np.floor(at)
    last = x.shape[axis] - 1
    first, second = (np.take(x, np.clip(below + step, 0, last).astype(int), axis) for step in (0, 1))
    fraction = (at - below).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    return np.asarray(first + (second - first) * fraction)


def matmuls() -> Iterator[KernelCase]:
    relu = functions.scalar_function(lambda _, v: functions.at_least(v, 0.0), F32)
    for rows, depth, columns, by_panels in ((13, 29, 19, False), (5, 7, 40, True)):
        a, b, bias = normal(2, rows, depth), normal(depth, columns), normal(columns)
        kernel = matmul.matmul(Epilogue(bias=True, function=relu), by_panels=by_panels)
        inputs = {"a": a, "b": pack_panels(b), "bias": pad_columns(bias)}
        words = {"rows": rows, "depth": depth, "columns": columns, "a_row": depth, "out_row": columns}
        words.update({"a_batch": rows * depth, "b_batch": 0, "out_batch": rows * columns})
        items = 2 * (ceil_div(columns, TILE_COLUMNS) if by_panels else ceil_div(rows, TILE_ROWS))
        wanted = np.maximum(a.astype(np.float64) @ b + bias, 0).astype(np.float32)
        name = f"matmul-{rows}x{depth}x{columns}"
        yield case(name, kernel, inputs, words, items, wanted, tolerance=1e-5, output="out")


def single_operations() -> Iterator[KernelCase]:
    for name, kernel, inputs, expected, edges in operations():
        words = {"count": expected.size}
        yield replace(case(name, kernel, inputs, words, ceil_div(expected.size, 4096), expected), needs_nan=edges)


CASES: list[KernelCase] = [
    case
    for family in (
        elementwise_flat,
        elementwise_strided,
        copies,
        moves,
        rows,
        reductions,
        places_of_best,
        pools,
        resizes,
        matmuls,
        single_operations,
    )
    for case in family()
]
