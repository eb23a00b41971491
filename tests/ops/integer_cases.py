"""Cases of integer products, all exact: mixes of u8 and i8, zero points, scales, odd sizes, windows and groups."""

import math

import numpy as np

from intab import dtypes
from intab.dtypes import DType
from intab.graph.ir import Attribute
from tests.ops.case import Numbers, OpCase

LOW = {"uint8": 0, "int8": -128}
ZERO = {"uint8": 131, "int8": -3}


def octets(dtype: str, *shape: int, seed: int) -> Numbers:
    """Numbers of the whole range of a dtype."""
    return np.random.default_rng(seed).integers(LOW[dtype], LOW[dtype] + 256, shape).astype(dtype)


def operands(
    left: Numbers, right: Numbers, columns: int, depth: int, to: DType, zeros: str, bias: bool, reach: int = 2**16
) -> list[Numbers | None]:
    """All inputs. `zeros` is "", "one" or "column": the kind of the right zero point. Scales are a column's then.
    Biases lie from -reach to reach."""
    random = np.random.default_rng(columns)
    right_zero: Numbers = random.integers(LOW[right.dtype.name], LOW[right.dtype.name] + 256, columns)
    right_zero = right_zero.astype(right.dtype)
    inputs: list[Numbers | None] = [left, right, None, None, None]
    if zeros:
        inputs[2] = np.array(ZERO[left.dtype.name], left.dtype)
        inputs[3] = right_zero if zeros == "column" else right_zero[:1].reshape(())
    if bias:
        inputs[4] = random.integers(-reach, reach, columns).astype(np.int32)
    if to != dtypes.int32:
        # So that results fill the range of a byte and some are beyond it.
        scale = (random.uniform(0.5, 2.0, columns) / max(90 * math.sqrt(depth), reach / 700)).astype(np.float32)
        inputs.append(scale if zeros == "column" else scale[:1].reshape(()))
    if to in (dtypes.uint8, dtypes.int8):
        inputs.append(np.array(ZERO[to.numpy_name], to.numpy))
    return inputs


def product(
    name: str,
    a: tuple[int, ...],
    b: tuple[int, ...],
    dtype: str = "uint8 int8",
    to: DType = dtypes.int32,
    *,
    zeros: str = "one",
    constant: bool = True,
    bias: bool = False,
) -> OpCase:
    left, right = dtype.split()
    columns = b[-1] if len(b) > 1 else 1
    sides = octets(left, *a, seed=1), octets(right, *b, seed=2)
    inputs = operands(*sides, columns, a[-1], to, zeros, bias)
    axes = {(0, 0): "N"} if len(a) == 2 else {}
    return OpCase(
        f"IntegerMatMul-{name}-{left}-{right}-{to}{'-' + zeros if zeros else ''}",
        "IntegerMatMul",
        {"to": to},
        inputs,
        axes,
        tuple(range(1, len(inputs))) if constant else (),
        tolerance=0.0,
    )


PRODUCTS = [
    *(product("odd", (7, 13), (13, 21), f"{a} {b}") for a in LOW for b in LOW),
    product("no-zeros", (5, 8), (8, 3), zeros=""),
    product("columns", (9, 200), (200, 30), "uint8 uint8", zeros="column"),
    product("one", (1, 1), (1, 1)),
    product("batches", (2, 3, 5, 9), (2, 3, 9, 6), constant=False),
    product("batches-repeat-left", (5, 6), (3, 6, 9), "int8 uint8", constant=False),
    product("batches-repeat-both", (2, 1, 5, 7), (1, 3, 7, 9), constant=False),
    product("rows-of-batches", (2, 3, 5, 9), (9, 6)),
    product("computed-columns", (4, 5), (5, 19), zeros="column", constant=False),
    product("vectors", (9,), (9, 4), zeros=""),
    product("vector-right", (3, 9), (9,), zeros=""),
    *(product("scaled", (7, 64), (64, 21), to=to) for to in (dtypes.float32, dtypes.uint8)),
    product("scaled", (7, 64), (64, 21), "int8 int8", dtypes.int8, zeros="column"),
    product("biased", (7, 64), (64, 21), "uint8 int8", dtypes.uint8, zeros="column", bias=True),
    product("biased", (4, 9), (9, 13), "int8 int8", bias=True),
]


def window(
    name: str,
    x: tuple[int, ...],
    w: tuple[int, ...],
    dtype: str = "uint8 int8",
    to: DType = dtypes.uint8,
    *,
    zeros: str = "one",
    bias: bool = True,
    constant: bool = True,
    kernel: bool = True,
    reach: int = 2**16,
    **attributes: Attribute,
) -> OpCase:
    left, right = dtype.split()
    rank = len(x) - 2
    made: dict[str, Attribute] = {"strides": (1,) * rank, "pads": (0,) * 2 * rank, "dilations": (1,) * rank}
    made |= {"layout": "NHWC", "to": to, **attributes}
    sides = octets(left, *x, seed=3), octets(right, *w, seed=4)
    inputs = operands(*sides, w[0], math.prod(w[1:]), to, zeros, bias, reach)
    spatial = range(2, len(x)) if made["layout"] == "NCHW" else range(1, len(x) - 1)
    axes = {(0, 0): "N", **{(0, i): f"S{i}" for i in spatial}}
    fixed = tuple(range(1, len(inputs))) if constant else ()
    title = f"IntegerConv-{name}-{left}-{right}-{to}"
    return OpCase(title, "IntegerConv", made, inputs, axes, fixed, kernel, tolerance=0.0)


PADDED: dict[str, Attribute] = {"pads": (1, 1, 1, 1)}
WINDOWS = [
    window("3x3", (1, 6, 7, 5), (9, 3, 3, 5), "uint8 uint8", **PADDED),
    window("3x3", (1, 6, 7, 5), (9, 3, 3, 5), "uint8 int8", **PADDED),
    window("3x3", (1, 6, 7, 5), (9, 3, 3, 5), "int8 int8", dtypes.int8, **PADDED),
    window("3x3", (1, 6, 7, 5), (9, 3, 3, 5), "int8 uint8", dtypes.int32, bias=False, **PADDED),
    window("sums", (2, 6, 5, 4), (8, 3, 3, 4), to=dtypes.int32, bias=False, **PADDED),
    window("floats", (1, 6, 5, 4), (8, 3, 3, 4), to=dtypes.float32, **PADDED),
    window("filters", (2, 5, 6, 4), (7, 2, 3, 4), "uint8 uint8", zeros="column", pads=(0, 1, 1, 2), strides=(2, 1)),
    window("no-zeros", (1, 5, 6, 3), (4, 3, 3, 3), zeros="", pads=(2, 0, 1, 1), strides=(2, 2)),
    window("1x1", (2, 3, 4, 10), (12, 1, 1, 10), zeros="column"),
    window("1x1-odd", (2, 3, 4, 7), (12, 1, 1, 7)),
    window("1x1-stride", (1, 5, 5, 4), (8, 1, 1, 4), strides=(2, 2)),
    window("dilated", (1, 8, 9, 4), (8, 3, 3, 4), pads=(2, 2, 2, 2), dilations=(2, 2)),
    window("dilated-odd", (1, 8, 9, 3), (8, 2, 3, 3), dilations=(1, 2)),
    window("grouped", (1, 5, 6, 8), (12, 3, 3, 4), group=2, zeros="column", **PADDED),
    window("grouped-odd", (1, 5, 6, 9), (6, 3, 3, 3), group=3, **PADDED),
    window("grouped-1x1", (1, 5, 6, 10), (4, 1, 1, 5), group=2),
    window("depthwise", (1, 6, 7, 8), (8, 3, 3, 1), group=8, **PADDED),
    window("depthwise-sums", (1, 6, 7, 8), (8, 3, 3, 1), to=dtypes.int32, bias=False, group=8, **PADDED),
    window("depthwise-floats", (1, 6, 7, 8), (8, 3, 3, 1), to=dtypes.float32, group=8, zeros="", **PADDED),
    window(
        "depthwise-filters",
        (2, 7, 8, 12),
        (12, 5, 5, 1),
        "int8 int8",
        dtypes.int8,
        zeros="column",
        group=12,
        pads=(2, 2, 2, 2),
        strides=(2, 2),
    ),
    window("depthwise-large-bias", (1, 6, 7, 35), (35, 3, 3, 1), zeros="column", reach=2**26, group=35, **PADDED),
    window("depthwise-multiplier", (1, 5, 5, 4), (8, 3, 3, 1), group=4, **PADDED),
    window("winograd", (2, 9, 10, 16), (24, 3, 3, 16), zeros="column", **PADDED),
    window("winograd-pads-differ", (1, 7, 6, 24), (19, 3, 3, 24), "int8 int8", dtypes.int8, pads=(0, 2, 1, 1)),
    window("winograd-sums", (1, 5, 9, 72), (16, 3, 3, 72), "uint8 uint8", dtypes.int32, bias=False, **PADDED),
    window("winograd-floats", (2, 8, 3, 32), (17, 3, 3, 32), "int8 uint8", dtypes.float32, pads=(2, 0, 0, 2)),
    window("winograd-no-zeros", (1, 6, 7, 64), (16, 3, 3, 64), zeros="", **PADDED),
    window("winograd-dilated", (1, 11, 8, 16), (16, 3, 3, 16), pads=(2, 3, 2, 3), dilations=(2, 3)),
    window("winograd-empty-batch", (0, 5, 5, 16), (16, 3, 3, 16), **PADDED),
    window("line", (2, 9, 4), (6, 3, 4), strides=(2,), pads=(1, 1)),
    window("computed", (1, 5, 6, 4), (9, 3, 3, 4), constant=False, zeros="column", **PADDED),
    window("computed-grouped", (1, 5, 6, 8), (12, 3, 3, 4), constant=False, group=2, **PADDED),
    window("computed-odd", (1, 5, 6, 3), (9, 3, 3, 3), constant=False, kernel=False, **PADDED),
    window("nchw", (1, 5, 6, 7), (9, 5, 3, 3), layout="NCHW", kernel=False, **PADDED),
]

INTEGER_CASES = [*PRODUCTS, *WINDOWS]
