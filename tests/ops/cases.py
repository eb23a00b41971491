"""Cases of every operator: OP_CASES. Each runs on the reference, against onnxruntime, and on every back end."""

import math

import numpy as np

from intab import dtypes
from intab.dtypes import dtype_of
from intab.graph.dims import floor_div, symbol
from intab.graph.ir import Attribute
from tests.ops.attention_cases import ATTENTION_CASES
from tests.ops.bodies import body, epilogue
from tests.ops.case import Numbers, OpCase, flags, floats, whole
from tests.ops.compressed_cases import COMPRESSED_CASES
from tests.ops.integer_cases import INTEGER_CASES
from tests.ops.quantized_element_cases import QUANTIZED_ELEMENT_CASES
from tests.ops.recurrent_cases import RECURRENT_CASES
from tests.ops.vector_cases import VECTOR_CASES
from tests.ops.window_cases import WINDOW_CASES

N, T = map(symbol, "NT")

# Ordinary numbers, the edges of what functions tell apart, and what is not finite.
SPECIAL = np.array(
    [
        [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.7, -3.7],
        [1e-3, -1e-3, 0.3, -0.3, 5.0, -5.0, 20.0, -20.0, 87.0, -87.0, 1e-30],
        [math.inf, -math.inf, math.nan, 1e10, -1e10, 0.99, 3.0, -3.0, 6.0, 7.25, 0.92],
    ],
    np.float32,
)
FINITE = SPECIAL[:2]
ROWS = {(0, 0): "N"}


def unary(op: str, x: Numbers = SPECIAL, *, name: str = "", tolerance: float = 2e-6, **attributes: Attribute) -> OpCase:
    case_name = name or f"{op}-{dtype_of(x)}"
    return OpCase(case_name, op, attributes, [x], ROWS, tolerance=tolerance)


UNARY = [
    *(unary(op) for op in ("Neg", "Abs", "Sqrt", "Reciprocal", "Floor", "Ceil", "Round", "Exp", "Log", "Erf")),
    *(unary(op) for op in ("Relu", "Sigmoid", "Tanh", "Softplus", "Silu", "HardSwish")),
    unary("Sign", FINITE),
    unary("Softsign", FINITE),
    unary("Sin", FINITE),
    unary("Atan", FINITE * 3),
    unary("Cos", FINITE),
    unary("Sin", floats(4, 9) * 1000, name="Sin-far", tolerance=1e-5),
    unary("LeakyRelu", alpha=0.2),
    unary("Elu", alpha=1.3),
    unary("Selu", FINITE, alpha=1.67, gamma=1.05),
    unary("ThresholdedRelu", alpha=0.7),
    unary("HardSigmoid", alpha=0.2, beta=0.5),
    unary("Gelu", FINITE, approximate="none"),
    unary("Gelu", FINITE, approximate="tanh", name="Gelu-tanh"),
    unary("Clip", minimum=-0.5, maximum=6.0),
    unary("Clip", FINITE, minimum=-math.inf, maximum=1.0, name="Clip-above"),
    unary("Clip", FINITE, minimum=0.25, maximum=math.inf, name="Clip-below"),
    unary("Clip", whole(2, 5), minimum=-3.0, maximum=4.0),
    unary("Neg", whole(2, 5)),
    unary("Abs", whole(2, 5, dtype="int64")),
    unary("Sign", whole(2, 5)),
    unary("Relu", whole(2, 5)),
    unary("Not", flags(2, 5)),
    unary("Cast", FINITE, to=dtypes.int32, name="Cast-f32-i32"),
    unary("Cast", FINITE, to=dtypes.int64, name="Cast-f32-i64"),
    unary("Cast", FINITE, to=dtypes.bool_, name="Cast-f32-bool"),
    unary("Cast", flags(2, 5), to=dtypes.float32, name="Cast-bool-f32"),
    unary("Cast", whole(2, 5, dtype="int64"), to=dtypes.int32, name="Cast-i64-i32"),
    unary("Cast", whole(2, 5, dtype="int64"), to=dtypes.float32, name="Cast-i64-f32"),
    unary("Cast", whole(2, 5), to=dtypes.int64, name="Cast-i32-i64"),
    unary("Cast", whole(2, 5), to=dtypes.float32, name="Cast-i32-f32"),
    unary("Cast", np.abs(FINITE), to=dtypes.uint8, name="Cast-f32-u8"),
    unary("Cast", whole(2, 5, dtype="uint8", low=0, high=256), to=dtypes.float32, name="Cast-u8-f32"),
    unary("Cast", whole(2, 5, dtype="int64", low=-999, high=999), to=dtypes.int8, name="Cast-i64-i8"),
    unary("Cast", whole(2, 5, dtype="int16", low=-999, high=999), to=dtypes.uint8, name="Cast-i16-u8"),
    unary("Cast", whole(2, 5, dtype="uint16", low=0, high=65536), to=dtypes.int64, name="Cast-u16-i64"),
    unary("Cast", FINITE * 100, to=dtypes.float16, name="Cast-f32-f16"),
    unary("Cast", FINITE.astype(np.float16), to=dtypes.float32, name="Cast-f16-f32"),
    unary("Cast", FINITE.astype(np.float16), to=dtypes.int32, name="Cast-f16-i32"),
    unary("Cast", whole(2, 5, low=-5000, high=5000), to=dtypes.float16, name="Cast-i32-f16"),
    unary("Cast", FINITE.astype(np.float16), to=dtypes.bool_, name="Cast-f16-bool"),
    OpCase("Cast-f32-f64", "Cast", {"to": dtypes.float64}, [np.abs(floats(2, 3))], kernel=False),
    OpCase("Relu-scalar", "Relu", {}, [floats()]),
    OpCase("Relu-empty", "Relu", {}, [floats(0, 3)], {(0, 0): "N"}),
]


def binary(op: str, a: Numbers, b: Numbers, name: str = "", **attributes: Attribute) -> OpCase:
    label = name or f"{op}-{dtype_of(a)}"
    axes = {(0, 0): "N", **({(1, 0): "N"} if b.shape[:1] == a.shape[:1] else {})}
    return OpCase(label, op, attributes, [a, b], axes)


A, B = floats(3, 6, seed=2), floats(3, 6, seed=3)
P, Q = whole(3, 6, seed=2), whole(3, 6, seed=3)
Q_NOT_ZERO = np.where(Q == 0, 4, Q).astype(np.int32)
BROADCASTS = {
    "row": (floats(3, 4, 5), floats(5, seed=2)),
    "column": (floats(3, 4, 5), floats(4, 1, seed=2)),
    "scalar": (floats(3, 4, 5), floats(seed=2)),
    "both": (floats(3, 1, 5), floats(4, 1, seed=2)),
    "middle": (floats(2, 3, 4, 5), floats(2, 1, 1, 5, seed=2)),
    "channels": (floats(2, 3, 2, 2), floats(1, 3, 1, 1, seed=2)),
    "longer": (floats(5), floats(2, 3, 5, seed=2)),
    "empty": (floats(0, 5), floats(1, 5, seed=2)),
}
BINARY = [
    *(binary(op, A, B) for op in ("Add", "Sub", "Mul", "Div", "Minimum", "Maximum")),
    *(binary(op, P, Q) for op in ("Add", "Sub", "Mul", "Minimum", "Maximum")),
    *(binary(op, P.astype(np.int64), Q.astype(np.int64)) for op in ("Add", "Mul", "Equal", "Less")),
    *(binary(op, P, Q) for op in ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual")),
    *(binary(op, A, np.where(B > 0, A, B).astype(np.float32)) for op in ("Equal", "LessOrEqual", "Greater")),
    *(binary(op, flags(3, 6), flags(3, 6, seed=5)) for op in ("And", "Or", "Xor", "Equal")),
    binary("Div", P, Q_NOT_ZERO),
    binary("Div", P.astype(np.int64), Q_NOT_ZERO.astype(np.int64)),
    binary("Mod", P, Q_NOT_ZERO),
    binary("Mod", P, Q_NOT_ZERO, fmod=True, name="Mod-fmod-i32"),
    binary("Mod", A * 10, B + 3, fmod=True, name="Mod-fmod"),
    binary("Mod", A, np.array([math.inf, -math.inf, 3, -3, 2, 0.5], np.float32), fmod=True, name="Mod-fmod-infinite"),
    binary("Pow", np.abs(A), B),
    binary("Pow", A, np.full((3, 6), 2, np.float32), name="Pow-square"),
    binary("Pow", A, np.array([3, -2, 0, 1, -1, 5], np.float32), name="Pow-negative-base"),
    binary("Pow", P, np.array([2, 3, 0, 1, 2, 3], np.int32)),
    binary("PRelu", floats(2, 3, 4), floats(3, 1, seed=4)),
    *(
        OpCase(f"Add-{name}", "Add", {}, arrays, {(0, 0): "N"} if name not in ("scalar", "longer") else {})
        for name, arrays in BROADCASTS.items()
    ),
    OpCase("Mul-gate", "Mul", {}, [floats(2, 3, 4, 5), floats(2, 1, 1, 5)], {(0, 1): "H", (0, 2): "W"}),
    OpCase("Where", "Where", {}, [flags(3, 5), floats(3, 5), floats(5, seed=2)], {(0, 0): "N", (1, 0): "N"}),
    OpCase("Where-i64", "Where", {}, [flags(3, 1), whole(3, 5, dtype="int64"), whole(dtype="int64")]),
    OpCase(
        "Fused", "Fused", {"body": body("Mul")}, [floats(3, 4, 5), floats(5, seed=2), floats(3, 1, 1, seed=3)], ROWS
    ),
]

PICTURE = {(0, 0): "N", (0, 2): "H", (0, 3): "W"}
LAST = {(0, 0): "N", (0, 1): "H", (0, 2): "W"}
IMAGE, IMAGE_LAST = floats(2, 3, 4, 5), floats(2, 4, 5, 6)
REDUCTIONS = ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd")
REDUCE = [
    *(OpCase(f"{op}-last", op, {"axes": (3,), "keepdims": True}, [IMAGE], PICTURE) for op in REDUCTIONS),
    *(OpCase(f"{op}-middle", op, {"axes": (1, 2), "keepdims": False}, [IMAGE_LAST], LAST) for op in REDUCTIONS),
    *(OpCase(f"{op}-apart", op, {"axes": (0, 2), "keepdims": True}, [IMAGE], PICTURE) for op in REDUCTIONS[:3]),
    OpCase("ReduceMean-all", "ReduceMean", {"axes": (0, 1, 2, 3), "keepdims": False}, [IMAGE], PICTURE),
    OpCase("ReduceMean-spatial", "ReduceMean", {"axes": (2, 3), "keepdims": True}, [IMAGE], PICTURE),
    OpCase("ReduceSum-of-one", "ReduceSum", {"axes": (1,), "keepdims": False}, [floats(3, 1, 4)], ROWS),
    OpCase("ReduceSum-long", "ReduceSum", {"axes": (1,), "keepdims": False}, [floats(2, 700)], ROWS),
    OpCase("ReduceSum-empty", "ReduceSum", {"axes": (1,), "keepdims": False}, [floats(3, 0)], {(0, 1): "T"}),
    OpCase("ReduceMax-i32", "ReduceMax", {"axes": (1,), "keepdims": True}, [whole(3, 7)], ROWS),
    OpCase("ReduceSum-i64", "ReduceSum", {"axes": (1,), "keepdims": True}, [whole(3, 7, dtype="int64")], kernel=False),
    OpCase("ArgMax-last", "ArgMax", {"axis": 2, "keepdims": False}, [floats(2, 3, 9)], ROWS),
    OpCase("ArgMax-first", "ArgMax", {"axis": 0, "keepdims": True}, [floats(4, 7)], ROWS),
    OpCase("ArgMax-equal", "ArgMax", {"axis": 1, "keepdims": False}, [whole(4, 9, low=0, high=3)], ROWS),
    OpCase("ArgMax-one", "ArgMax", {"axis": 1, "keepdims": False}, [floats(4, 1)], ROWS),
    OpCase(
        "ArgMin-last-equal",
        "ArgMin",
        {"axis": 1, "keepdims": True, "select_last": True},
        [whole(4, 9, low=0, high=3).astype(np.float32)],
        ROWS,
    ),
]

SEQUENCE = {(0, 0): "N", (0, 1): "T"}
MATMUL = [
    OpCase("MatMul", "MatMul", {}, [floats(5, 7), floats(7, 9, seed=2)], ROWS, constants=(1,), tolerance=1e-5),
    OpCase("MatMul-both-fed", "MatMul", {}, [floats(5, 7), floats(7, 9, seed=2)], ROWS, tolerance=1e-5),
    OpCase(
        "MatMul-bias-epilogue",
        "MatMul",
        {"epilogue": epilogue()},
        [floats(2, 5, 7), floats(7, 9, seed=2), floats(9, seed=3), floats(2, 5, 9, seed=4)],
        {**SEQUENCE, (3, 0): "N", (3, 1): "T"},
        constants=(1, 2),
        tolerance=1e-5,
    ),
    OpCase(
        "MatMul-transposed",
        "MatMul",
        {"transpose_a": True, "transpose_b": True},
        [floats(7, 5), floats(9, 7, seed=2)],
        {(0, 1): "N"},
        constants=(1,),
        tolerance=1e-5,
    ),
    OpCase(
        "MatMul-attention",
        "MatMul",
        {"transpose_b": True},
        [floats(2, 3, 5, 4), floats(2, 3, 5, 4, seed=2)],
        {(0, 0): "N", (1, 0): "N", (0, 2): "T", (1, 2): "T"},
        tolerance=1e-5,
    ),
    OpCase(
        "MatMul-broadcast-batch",
        "MatMul",
        {},
        [floats(2, 1, 5, 4), floats(3, 4, 6, seed=2)],
        {(0, 2): "T"},
        constants=(1,),
        tolerance=1e-5,
    ),
    OpCase("MatMul-vector", "MatMul", {}, [floats(7), floats(7, 3, seed=2)], constants=(1,), tolerance=1e-5),
    OpCase(
        "MatMul-one-row-epilogue",
        "MatMul",
        {"epilogue": epilogue()},
        [floats(1, 21), floats(21, 19, seed=2), floats(19, seed=3), floats(1, 19, seed=4)],
        constants=(1, 2),
        tolerance=1e-5,
    ),
    OpCase("MatMul-rows", "MatMul", {}, [floats(3, 1, 4), floats(3, 4, 9, seed=2)], {(0, 0): "N", (1, 0): "N"}),
    OpCase("MatMul-dot", "MatMul", {}, [floats(7), floats(7, seed=2)], tolerance=1e-5),
    OpCase("MatMul-empty", "MatMul", {}, [floats(0, 7), floats(7, 3, seed=2)], ROWS, constants=(1,)),
]


FROM_BOTH_ENDS = whole(2, 3, low=-5, high=5, dtype="int64")
MOVE = [
    OpCase("Reshape", "Reshape", {"shape": (N, T * 6)}, [floats(2, 3, 6)], SEQUENCE),
    OpCase("Reshape-to-scalar", "Reshape", {"shape": ()}, [floats(1, 1)]),
    OpCase("Transpose-to-last", "Transpose", {"perm": (0, 2, 3, 1)}, [IMAGE], PICTURE),
    OpCase("Transpose-to-first", "Transpose", {"perm": (0, 3, 1, 2)}, [IMAGE_LAST], LAST),
    OpCase("Transpose-heads", "Transpose", {"perm": (0, 2, 1, 3)}, [floats(2, 3, 4, 5)], SEQUENCE),
    OpCase("Transpose-all", "Transpose", {"perm": (3, 2, 1, 0)}, [IMAGE], PICTURE),
    OpCase("Transpose-ones", "Transpose", {"perm": (0, 2, 1)}, [floats(3, 1, 4)], ROWS),
    OpCase("Transpose-i64", "Transpose", {"perm": (1, 0)}, [whole(3, 4, dtype="int64")], ROWS),
    OpCase("Shuffle-last", "Shuffle", {"axis": -1, "groups": 3}, [floats(2, 3, 3, 12)], LAST),
    OpCase("Shuffle-channels", "Shuffle", {"axis": 1, "groups": 2}, [floats(2, 6, 3, 4)], PICTURE),
    OpCase("Concat-last", "Concat", {"axis": 2}, [floats(2, 3, 4), floats(2, 3, 5)], {**SEQUENCE, (1, 1): "T"}),
    OpCase("Concat-first", "Concat", {"axis": 0}, [floats(2, 3), floats(1, 3), floats(0, 3)], {(0, 0): "N"}),
    OpCase("Concat-channels", "Concat", {"axis": -1}, [floats(2, 3, 3, 4), floats(2, 3, 3, 8)], {(0, 1): "H"}),
    OpCase("Slice", "Slice", {"starts": (0, 1), "sizes": (N, 3), "steps": (1, 2)}, [floats(3, 7)], ROWS),
    OpCase("Slice-back", "Slice", {"starts": (N - 1, 6), "sizes": (N, 3), "steps": (-1, -2)}, [floats(3, 7)], ROWS),
    OpCase(
        "Slice-half", "Slice", {"starts": (floor_div(N, 2), 0), "sizes": (1, 7), "steps": (1, 1)}, [floats(5, 7)], ROWS
    ),
    OpCase("Slice-nothing", "Slice", {"starts": (0, 2), "sizes": (N, 0), "steps": (1, 1)}, [floats(3, 7)], ROWS),
    OpCase("Expand", "Expand", {"shape": (N, 4, 5)}, [floats(3, 1, 5)], ROWS),
    OpCase("Expand-more", "Expand", {"shape": (2, 1, 1, 5)}, [floats(3, 1)], ROWS),
    OpCase("Expand-i64", "Expand", {"shape": (3, 4)}, [whole(1, 4, dtype="int64")]),
    OpCase("Pad", "Pad", {"pads": (0, 1, 2, 0, 0, 3, 0, 0), "value": 1.5}, [IMAGE], PICTURE),
    OpCase("Pad-channels", "Pad", {"pads": (0, 0, 0, 0, 0, 0, 0, 2)}, [IMAGE_LAST], LAST),
    OpCase("Pad-spatial-last", "Pad", {"pads": (0, 1, 1, 0, 0, 1, 2, 0)}, [IMAGE_LAST], LAST),
    OpCase("Pad-cut", "Pad", {"pads": (0, -1, 1, -2)}, [floats(3, 6)], {(0, 0): "N", (0, 1): "T"}),
    OpCase("Pad-none", "Pad", {"pads": (0, 0, 0, 0), "value": 1.0}, [floats(3, 6)], ROWS),
    OpCase("Pad-i64", "Pad", {"pads": (1, 0, 0, 2), "value": -7.0}, [whole(3, 4, dtype="int64")], ROWS),
    OpCase("Pad-reflect", "Pad", {"pads": (0, 2, 1, 0, 1, 3), "mode": "reflect"}, [floats(2, 4, 5)], SEQUENCE),
    OpCase("Pad-wrap", "Pad", {"pads": (0, 2, 5, 0, 4, 3), "mode": "wrap"}, [floats(2, 4, 5)], SEQUENCE),
    OpCase("Pad-edge", "Pad", {"pads": (1, 2, 0, 0, 0, 3), "mode": "edge"}, [floats(2, 3, 4)], SEQUENCE),
    OpCase(
        "Gather-rows", "Gather", {"axis": 0}, [floats(5, 6), whole(2, 3, low=-5, high=5, dtype="int64")], {(1, 0): "N"}
    ),
    OpCase("Gather-last", "Gather", {"axis": 2}, [floats(2, 3, 5), whole(4, low=0, high=5)], SEQUENCE),
    OpCase("Gather-one", "Gather", {"axis": 1}, [floats(3, 5), whole(low=2, high=3, dtype="int64")], ROWS),
    OpCase("Shape", "Shape", {}, [IMAGE], PICTURE),
    OpCase("Shape-part", "Shape", {"start": -2, "end": 4}, [IMAGE], PICTURE),
]

CUMULATIVE = [
    OpCase(f"CumSum-{name}", "CumSum", attributes, [x], axes)
    for name, attributes, x, axes in (
        ("last", {"axis": -1}, floats(2, 3, 9), SEQUENCE),
        ("middle", {"axis": 1, "exclusive": True}, floats(2, 5, 7), ROWS),
        ("first", {"axis": 0, "reverse": True}, floats(4, 70), ROWS),
        ("both", {"axis": 2, "exclusive": True, "reverse": True}, floats(2, 3, 5, 6), PICTURE),
        ("i64", {"axis": 1}, whole(2, 9, dtype="int64"), ROWS),
        ("i32", {"axis": 0, "exclusive": True}, whole(3, 9), ROWS),
    )
]
TOP = [
    OpCase(f"TopK-{name}", "TopK", attributes, [x], axes)
    for name, attributes, x, axes in (
        ("last", {"axis": -1, "count": 4}, floats(3, 11), ROWS),
        ("all", {"axis": 1, "count": 9}, floats(2, 9), ROWS),
        ("smallest", {"axis": 1, "count": 3, "largest": False}, floats(2, 7, 5), {(0, 0): "N", (0, 2): "W"}),
        ("ties", {"axis": 0, "count": 5}, np.round(floats(20, 3)), {(0, 0): "T"}),
        ("i64", {"axis": 1, "count": 4}, whole(2, 9, dtype="int64"), ROWS),
        ("i32", {"axis": 0, "count": 1, "largest": False}, whole(9, 2), {(0, 1): "W"}),
    )
]
SCATTER = [
    OpCase(f"{op}-{name}", op, attributes, [x, *more])
    for op, name, attributes, x, more in (
        ("GatherElements", "last", {"axis": 1}, floats(3, 5), (whole(3, 4, low=-5, high=5, dtype="int64"),)),
        ("GatherElements", "first", {"axis": 0}, whole(4, 2, 3), (whole(2, 2, 3, low=0, high=4),)),
        *(
            (
                "ScatterElements",
                f"{reduction}-{dtype}",
                {"axis": 1, "reduction": reduction},
                whole(2, 4, 3, dtype=dtype),
                (
                    np.stack([whole(3, 3, low=-4, high=4, dtype="int64", seed=s) for s in (1, 2)]),
                    whole(2, 3, 3, dtype=dtype, seed=5),
                ),
            )
            for reduction, dtype in (("add", "float32"), ("mul", "int64"), ("max", "float32"), ("min", "int32"))
        ),
        (
            "ScatterElements",
            "none",
            {"axis": 0},
            floats(4, 3),
            (np.array([[3, 0, -4], [1, 1, 2]], np.int64), floats(2, 3, seed=2)),
        ),
        ("ScatterND", "rows", {}, floats(5, 3), (np.array([[4], [-5]], np.int64), floats(2, 3, seed=2))),
        (
            "ScatterND",
            "added",
            {"reduction": "add"},
            floats(4, 3, 2),
            (np.array([[[1, 2], [1, 2]], [[0, 0], [3, -1]]], np.int64), floats(2, 2, 2, seed=2)),
        ),
    )
]
NORM = [
    OpCase("Softmax-last", "Softmax", {"axis": -1}, [floats(2, 3, 9) * 5], SEQUENCE, tolerance=1e-5),
    OpCase("Softmax-middle", "Softmax", {"axis": 1}, [floats(2, 3, 4)], {(0, 0): "N", (0, 2): "W"}, tolerance=1e-5),
    OpCase("Softmax-large", "Softmax", {"axis": 1}, [floats(2, 9) * 1000], ROWS, tolerance=1e-5),
    OpCase("LogSoftmax-last", "LogSoftmax", {"axis": 2}, [floats(2, 3, 9)], SEQUENCE, tolerance=1e-5),
    OpCase("LogSoftmax-first", "LogSoftmax", {"axis": 0}, [floats(4, 5)], ROWS, tolerance=1e-5),
    OpCase(
        "LayerNorm",
        "LayerNorm",
        {"axis": -1, "epsilon": 1e-5},
        [floats(2, 3, 10) + 3, floats(10, seed=2), floats(10, seed=3)],
        SEQUENCE,
        tolerance=1e-5,
    ),
    OpCase("LayerNorm-plain", "LayerNorm", {"axis": 1, "epsilon": 1e-6}, [floats(2, 3, 5)], ROWS, tolerance=1e-5),
    OpCase(
        "LayerNorm-scaled",
        "LayerNorm",
        {"axis": 1, "epsilon": 1e-6},
        [floats(2, 3, 5), floats(5, seed=2)],
        ROWS,
        tolerance=1e-5,
    ),
    OpCase("LocalResponseNorm", "LocalResponseNorm", {"size": 5}, [IMAGE_LAST * 9], PICTURE, tolerance=1e-5),
    OpCase(
        "LocalResponseNorm-numbers",
        "LocalResponseNorm",
        {"size": 3, "alpha": 0.3, "beta": 0.5, "bias": 2.0},
        [floats(2, 7, 1, 1)],
        ROWS,
        tolerance=1e-5,
    ),
    *(
        OpCase(
            f"BatchNorm-{layout}",
            "BatchNorm",
            {"epsilon": 1e-3, "layout": layout},
            [x, floats(n), floats(n, seed=2), floats(n, seed=3), np.abs(floats(n, seed=4))],
            axes,
            tolerance=1e-5,
        )
        for layout, x, n, axes in (("NCHW", IMAGE, 3, PICTURE), ("NHWC", IMAGE_LAST, 6, LAST))
    ),
]

OP_CASES: list[OpCase] = [
    *UNARY,
    *BINARY,
    *REDUCE,
    *MATMUL,
    *INTEGER_CASES,
    *QUANTIZED_ELEMENT_CASES,
    *WINDOW_CASES,
    *VECTOR_CASES,
    *MOVE,
    *CUMULATIVE,
    *TOP,
    *SCATTER,
    *NORM,
    *RECURRENT_CASES,
    *COMPRESSED_CASES,
    *ATTENTION_CASES,
]
