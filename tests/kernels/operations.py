"""Each operation of the kernel language on each type, one by one and in vectors, over awkward numbers."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intab.kernels import functions, interpret
from intab.kernels.families import elementwise
from intab.kernels.families.elementwise import Operand
from intab.kernels.ir import (
    BINARY_OPS,
    COMPARISONS,
    Binary,
    Bitcast,
    Cast,
    Const,
    Expr,
    Fma,
    Kernel,
    Select,
    Type,
    Unary,
)
from intab.kernels.scalar import ScalarFunction

Array = NDArray[Any]

NUMPY = {"f32": "float32", "f64": "float64", "i32": "int32", "u32": "uint32", "i64": "int64", "bool": "bool"}
FLOATS, INTEGERS = ("f32", "f64"), ("i32", "u32", "i64")
INTEGER_ONLY = frozenset({"rem", "and", "or", "xor", "shl", "shr"})
FINITE = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-3, 7.25, -1e6, 3e9, -3e9, 1e19, -1e19, 2.0**31, 33.0]
EDGES = [*FINITE, np.inf, -np.inf, np.nan, 1e-45, 3e38, 2.0**63]


def values(scalar: str, *, edges: bool) -> Array:
    if scalar in FLOATS:
        return np.array(EDGES if edges else FINITE, NUMPY[scalar])
    if scalar == "bool":
        return np.array([True, False, True])
    bounds = np.iinfo(NUMPY[scalar])
    chosen = [0, 1, 2, 3, 5, 7, 31, 33, 1000, bounds.max, bounds.max - 1, bounds.min, bounds.min + 1]
    return np.array(chosen + ([-1, -2, -7, -1000] if bounds.min else []), NUMPY[scalar])


def pairs(scalar: str, *, edges: bool) -> tuple[Array, Array]:
    single = values(scalar, edges=edges)
    return np.repeat(single, single.size), np.tile(single, single.size)


# (name, function, arguments, result's dtype, whether NaN or infinity occur)
Operation = tuple[str, ScalarFunction, tuple[Array, ...], str, bool]


def _function(build: Callable[..., Expr], *scalars: str) -> ScalarFunction:
    return functions.scalar_function(lambda _, *arguments: build(*arguments), *(Type(s) for s in scalars))


def binaries() -> Iterator[Operation]:
    for scalar in (*FLOATS, *INTEGERS):
        edged = (False, True) if scalar in FLOATS else (True,)
        for op in sorted(BINARY_OPS | COMPARISONS):
            if scalar in FLOATS and op in INTEGER_ONLY:
                continue
            for edges in edged:
                a, b = pairs(scalar, edges=edges)
                if op in ("div", "rem") and scalar in INTEGERS:
                    fine = (b != 0) & ~((a == np.iinfo(a.dtype).min) & (b.astype(np.int64) == -1))
                    a, b = a[fine], b[fine]
                if scalar in FLOATS and op in ("min", "max"):
                    # Which zero is the lesser is left to the device.
                    fine = ~((a == 0) & (b == 0))
                    a, b = a[fine], b[fine]
                function = _function(lambda x, y, op=op: Binary(op, x, y), scalar, scalar)
                result = "bool" if op in COMPARISONS else scalar
                yield f"{op}-{scalar}{'-edges' if edges else ''}", function, (a, b), result, edges and scalar in FLOATS
        if scalar in INTEGERS:
            for op in ("shl", "shr"):
                function = _function(lambda x, op=op, s=scalar: Binary(op, x, Const(3, Type(s))), scalar)
                yield f"{op}-3-{scalar}", function, (values(scalar, edges=True),), scalar, False
    for op in ("and", "or", "xor", "eq", "ne"):
        function = _function(lambda x, y, op=op: Binary(op, x, y), "bool", "bool")
        yield f"{op}-bool", function, pairs("bool", edges=False), "bool", False


def unaries() -> Iterator[Operation]:
    for scalar in (*FLOATS, *INTEGERS, "bool"):
        ops = ["not"] if scalar == "bool" else ["not", "neg", "abs"]
        if scalar == "u32":
            ops = ["not"]
        if scalar in FLOATS:
            ops = ["neg", "abs", "floor", "ceil", "trunc", "nearest", "sqrt"]
        for op in ops:
            for edges in (False, True):
                function = _function(lambda x, op=op: Unary(op, x), scalar)
                name = f"{op}-{scalar}{'-edges' if edges else ''}"
                yield name, function, (values(scalar, edges=edges),), scalar, edges and scalar in FLOATS


def conversions() -> Iterator[Operation]:
    for source in NUMPY:
        for target in NUMPY:
            for edges in (False, True) if source in FLOATS else (True,):
                x = values(source, edges=edges)
                if source in FLOATS and target in FLOATS:
                    x = x[np.abs(x) < 1e38] if not edges else x
                function = _function(lambda v, t=target: Cast(v, Type(t)), source)
                name = f"cast-{source}-{target}{'-edges' if edges else ''}"
                yield name, function, (x,), target, edges and source in FLOATS
    for source, target in (
        ("f32", "i32"),
        ("i32", "f32"),
        ("f32", "u32"),
        ("u32", "i32"),
        ("f64", "i64"),
        ("i64", "f64"),
    ):
        function = _function(lambda v, t=target: Bitcast(v, Type(t)), source)
        yield f"bits-{source}-{target}", function, (values(source, edges=True),), target, True


def others() -> Iterator[Operation]:
    for scalar in (*FLOATS, *INTEGERS):
        a, b = pairs(scalar, edges=False)
        function = _function(lambda x, y: Select(x.lt(y), x, y), scalar, scalar)
        yield f"select-{scalar}", function, (a, b), scalar, False
    for name, build in (
        ("larger", lambda x, y: Select(x.lt(y), y, x)),
        ("smaller", lambda x, y: Select(x.lt(y), x, y)),
    ):
        yield name, _function(build, "f32", "f32"), pairs("f32", edges=True), "f32", True
    for scalar in FLOATS:
        # Small whole numbers, so that rounding once or twice is the same.
        a = np.arange(-8, 8, dtype=NUMPY[scalar])
        function = _function(lambda x, y: Fma(x, y, x), scalar, scalar)
        yield f"fma-{scalar}", function, (a, a[::-1].copy()), scalar, False
    constant = _function(lambda x: Select(x.gt(0), Const(np.inf, Type("f32")), Const(-0.0, Type("f32"))), "f32")
    yield "constants", constant, (values("f32", edges=False),), "f32", False


def operations() -> Iterator[tuple[str, Kernel, dict[str, Array], Array, bool]]:
    """(name, kernel, inputs, result, whether NaN or infinity occur), each one by one and in vectors of four."""
    for group in (binaries, unaries, conversions, others):
        for name, function, arguments, result, edges in group():
            expected = interpret.apply(function, *arguments)
            inputs = {f"x{index}": array for index, array in enumerate(arguments)}
            operands = tuple(Operand(var.type.scalar) for var in function.arguments)
            for lanes in (1, 4):
                kernel = elementwise.flat(function, operands, result, lanes=lanes)
                yield f"{name}-by-{lanes}", kernel, inputs, expected, edges
