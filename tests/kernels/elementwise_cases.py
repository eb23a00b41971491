"""Cases of elementwise kernels, copies and moves."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from scipy import special

from intab.kernels import functions
from intab.kernels.families import elementwise, move
from intab.kernels.families.elementwise import CONTIGUOUS, SINGLE, SPLAT, STRIDED, Operand
from intab.kernels.ir import BOOL, F32, I32, I64, Cast, Select
from intab.kernels.scalar import ScalarFunction, identity
from tests.kernels.case import (
    LANES,
    Array,
    KernelCase,
    case,
    ceil_div,
    contiguous_strides,
    integers,
    normal,
    sizes,
)


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
        ("gelu_tanh", lambda v: v * special.expit(math.sqrt(8 / math.pi) * (v + 0.044715 * v**3))),
        ("silu", lambda v: v * special.expit(v)),
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


def halves() -> Iterator[KernelCase]:
    """16-bit floats in memory: every exponent, fractions at their ends; f32 halfway between them and beside that."""
    fractions = np.array([0, 1, 2, 3, 511, 512, 513, 1021, 1022, 1023])
    bits = (np.arange(64)[:, None] * 1024 + fractions).astype(np.uint16).reshape(-1)
    bits[(bits & 0x7FFF) > 0x7C00] |= 0x200  # no signalling NaN, of which numpy warns
    x = bits.view(np.float16)
    kernel = elementwise.flat(identity(F32), (Operand("f16"),), "f32", lanes=LANES)
    widened = x.astype(np.float32)
    wide = case("widen-halves", kernel, {"x0": x}, {"count": x.size}, ceil_div(x.size, 4096), widened)
    yield replace(wide, needs_nan=True)
    after = (bits + np.uint16(1)).view(np.float16).astype(np.float32)
    with np.errstate(all="ignore"):
        middle = (widened + after) / 2
        z = np.concatenate([middle, np.nextafter(middle, np.float32(0)), np.nextafter(middle, widened * 2), widened])
        z = np.concatenate([z, np.array([65519.99, 65520, 1e9, -1e30, 1e-8, 2.0**-25, 2.9e-8, 3.1e-8, 1e-45], "f4")])
        narrowed = z.astype(np.float16)
    kernel = elementwise.flat(identity(F32), (Operand("f32"),), "f16", lanes=LANES)
    narrow = case("narrow-halves", kernel, {"x0": z}, {"count": z.size}, ceil_div(z.size, 4096), narrowed)
    yield replace(narrow, needs_nan=True)
    kernel = elementwise.copy("f16", 2, source=STRIDED, target=CONTIGUOUS, lanes=LANES)
    words = {**sizes((5, 7)), "x0_stride_0": 1, "x0_stride_1": 5, "y_stride_0": 7}
    turned = np.random.default_rng(4).standard_normal((7, 5)).astype(np.float16)
    yield case("transpose-f16", kernel, {"x0": turned}, words, 5, turned.T)


def function_edges() -> Iterator[KernelCase]:
    """Elementary functions of zeros, infinities, NaN, denormals and the ends of their ranges."""
    x = np.array(
        [0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1, -1, 88.7, 88.8, -87, -104, 9.1, -9.1, 4, 1e30], "f4"
    )
    meanings: list[tuple[str, Callable[[Array], Array]]] = [
        ("exp", np.exp),
        ("log", np.log),
        ("sigmoid", special.expit),
        ("tanh", np.tanh),
        ("erf", special.erf),
        ("softplus", lambda v: np.logaddexp(0, v)),
        ("reciprocal_square_root", lambda v: 1 / np.sqrt(v)),
    ]
    for name, meaning in meanings:
        kernel = elementwise.flat(unary(name), (Operand("f32"),), "f32", lanes=LANES)
        with np.errstate(all="ignore"):
            wanted = meaning(x.astype(np.float64)).astype(np.float32)
        edges = case(f"{name}-edges", kernel, {"x0": x}, {"count": x.size}, 1, wanted, tolerance=1e-5)
        yield replace(edges, needs_nan=True)
    base, exponent = np.repeat(x, x.size), np.tile(x, x.size)
    power = functions.scalar_function(functions.pow, F32, F32)
    kernel = elementwise.flat(power, (Operand("f32"), Operand("f32")), "f32", lanes=LANES)
    with np.errstate(all="ignore"):
        wanted = np.power(base.astype(np.float64), exponent.astype(np.float64)).astype(np.float32)
    inputs = {"x0": base, "x1": exponent}
    edges = case("pow-edges", kernel, inputs, {"count": base.size}, 1, wanted, tolerance=1e-5)
    yield replace(edges, needs_nan=True)


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
        words = {**contiguous_strides("x0", shape), **strides, **contiguous_strides("y", shape)}
        name = "subtract-" + "x".join(map(str, small))
        for together, items in ((1, 30), (2, 18), (9, 6)):
            made = {**sizes(shape, together), **words}
            yield case(f"{name}-{together}", kernel, {"x0": x, "x1": b}, made, items, x - b)
    x = normal(3, 5)
    b = normal(3, 1)
    kernel = elementwise.elementwise(subtract, 2, (Operand("f32"), Operand("f32", SPLAT)), Operand("f32"), lanes=LANES)
    words = {**sizes((3, 5), 2), "x0_stride_0": 5, "x1_stride_0": 1, "y_stride_0": 5}
    yield case("subtract-column", kernel, {"x0": x, "x1": b}, words, 2, x - b)
    yield from elementwise_bytes()


def elementwise_bytes() -> Iterator[KernelCase]:
    """Eight at once, then four, then one; what is too large for a byte loses its first bits."""
    some = functions.scalar_function(
        lambda block, a, b, c, d: a * b + block.let("twice", c * 2) + Cast(block.let("half", d * 0.5), I32),
        *(I32, I32, I32, F32),
    )
    first, row = Operand("u8"), Operand("i8")
    for length in (1, 7, 8, 12, 23, 24):
        x, b = integers("uint8", 3, length) * 28, integers("int8", length)
        for c_inner, c in ((SPLAT, integers("uint8", 3, 1)), (SINGLE, integers("uint8", 1, 1))):
            for dtype in ("u8", "i8", "i32"):
                wanted = x.astype(np.int32) * b + c.astype(np.int32) * 2 + 3
                wanted = wanted.astype({"u8": np.uint8, "i8": np.int8, "i32": np.int32}[dtype])
                inputs = (first, row, Operand("u8", c_inner), Operand("f32", SINGLE))
                kernel = elementwise.elementwise(some, 2, inputs, Operand(dtype), lanes=LANES)
                words = {**sizes((3, length), 2), "x0_stride_0": length, "x1_stride_0": 0, "y_stride_0": length}
                words |= {"x2_stride_0": 1} if c_inner == SPLAT else {}
                buffers = {"x0": x, "x1": b, "x2": c, "x3": np.array([6.5], np.float32)}
                yield case(f"bytes-{dtype}-{length}-{c_inner}", kernel, buffers, words, 2, wanted)


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
    words = {**sizes((4, 3)), "x0_stride_0": 6, "y_stride_0": 3}
    yield case("copy-sliced-i64", kernel, {"x0": b}, words, 4, b[:, :3])
    kernel = elementwise.copy("bool", 2, source=SPLAT, target=CONTIGUOUS, lanes=LANES)
    c = normal(4) > 0
    words = {**sizes((4, 3)), "x0_stride_0": 1, "y_stride_0": 3}
    yield case("copy-expanded-bool", kernel, {"x0": c}, words, 4, np.repeat(c[:, None], 3, axis=1))
    joined = np.ones((3, 11), np.float32)
    part = normal(3, 6)
    joined[:, 4:10] = part
    kernel = elementwise.copy("f32", 2, source=CONTIGUOUS, target=CONTIGUOUS, lanes=LANES)
    words = {**sizes((3, 6)), "x0_stride_0": 6, "y_stride_0": 11}
    before = np.ones(33, np.float32)
    buffers = {"x0": part.reshape(-1), "y": before}
    yield KernelCase("copy-into-concat", kernel, buffers, words, 3, {"y": joined.reshape(-1)}, {"y": 4})
    kernel = elementwise.copy("i32", 2, source=CONTIGUOUS, target=STRIDED, lanes=LANES)
    m = integers("int32", 3, 5)
    words = {**sizes((3, 5)), "x0_stride_0": 5, "y_stride_0": 1, "y_stride_1": 3}
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
    for batch, rows, columns, down, across, together in (
        *((1, 3, 50, 3, 32, 1), (2, 17, 16, 16, 16, 1), (1, 33, 5, 64, 5, 1), (1, 1, 7, 16, 16, 1)),
        *((5, 4, 9, 4, 16, 2), (3, 6, 4, 8, 4, 4), (4, 2, 2, 16, 16, 3)),
    ):
        x = normal(batch, rows, columns)
        items = ceil_div(batch, together) * ceil_div(rows, down) * ceil_div(columns, across)
        words = {"batches": batch, "lines": 1, "rows": rows, "columns": columns}
        words |= {"y_batch": rows * columns, "y_line": 0, "y_image": 0}
        words |= {"block_rows": down, "block_columns": across, "together": together}
        name = f"transpose-{batch}x{rows}x{columns}"
        yield case(name, move.transpose("f32", lanes=LANES), {"x": x}, words, items, x.transpose(0, 2, 1))
    m = integers("int64", 1, 5, 6)
    kernel = move.transpose("i64", lanes=LANES)
    words = {"batches": 1, "lines": 1, "rows": 5, "columns": 6, "y_batch": 30, "y_line": 0, "y_image": 0}
    words |= {"block_rows": 8, "block_columns": 8, "together": 1}
    yield case("transpose-i64", kernel, {"x": m}, words, 1, m.transpose(0, 2, 1))
