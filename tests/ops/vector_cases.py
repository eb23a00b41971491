"""Cases whose last axes are whole vectors, which GPU kernels read and write at once."""

from tests.ops.case import OpCase, floats, whole
from tests.ops.window_cases import pool, resize

PICTURES = floats(2, 5, 6, 8)
TABLE, CHOSEN = whole(2, 5, 12, low=-128, high=128, dtype="int8"), whole(3, low=-5, high=5)
LAST = {(0, 0): "N", (0, 1): "H", (0, 2): "W"}

# Rows that the members of a team share out: in vectors or not, and some so long that the team is large.
ROWS, ODD_ROWS, LONG_ROWS = floats(2, 3, 160, seed=7), floats(2, 3, 77, seed=7), floats(1, 4100, seed=7)
TEAM_CASES = [
    *(
        OpCase(f"{op}-{name}-team", op, {"axes": (-1,), "keepdims": False}, [x * 0.5], tolerance=1e-5)
        for name, x in (("vectors", ROWS), ("odd", ODD_ROWS), ("long", LONG_ROWS))
        for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd")
    ),
    *(
        OpCase(f"{op}-middle-{name}-team", op, {"axes": (1,), "keepdims": True}, [x])
        for name, x in (("vectors", floats(2, 50, 8)), ("odd", floats(2, 67, 3)))
        for op in ("ReduceMean", "ReduceMax")
    ),
    *(
        OpCase(f"Softmax-{name}-team", "Softmax", {"axis": -1}, [x])
        for name, x in (("vectors", ROWS), ("odd", ODD_ROWS))
    ),
    OpCase("LogSoftmax-team", "LogSoftmax", {"axis": 1}, [floats(2, 70, 3)], {(0, 0): "N", (0, 1): "T"}),
    OpCase("LayerNorm-team", "LayerNorm", {"axis": -1}, [ODD_ROWS, floats(77), floats(77, seed=3)], tolerance=1e-5),
    *(
        OpCase(f"{op}-{name}-team", op, {"axis": -1, "keepdims": False, "select_last": last}, [x])
        for op, name, x, last in (
            ("ArgMax", "equal", whole(3, 80, low=0, high=4), False),
            ("ArgMax", "last", whole(3, 80, low=0, high=4), True),
            ("ArgMin", "odd", ODD_ROWS, False),
        )
    ),
]

VECTOR_CASES = [
    *TEAM_CASES,
    pool("vectors", "MaxPool", PICTURES, kernel=(3, 2), strides=(2, 1), pads=(1, 1, 1, 0)),
    pool("vectors-int8", "MaxPool", whole(2, 5, 6, 4, dtype="int8"), kernel=(2, 2)),
    pool("vectors", "AveragePool", PICTURES, kernel=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1), count_include_pad=True),
    *(
        resize(f"{mode}-vectors", PICTURES, sizes=(2, 7, 9, 8), mode=mode, coordinates="half_pixel")
        for mode in ("nearest", "linear", "cubic")
    ),
    OpCase("Pad-constant-vectors", "Pad", {"pads": (0, 1, 2, 0, 1, 0, 1, 0), "value": 3.0}, [PICTURES], LAST),
    *(
        OpCase(f"Pad-{mode}-vectors", "Pad", {"pads": (0, 1, 2, 0, 0, 2, 1, 0), "mode": mode}, [PICTURES], LAST)
        for mode in ("reflect", "edge", "wrap")
    ),
    *(
        OpCase(f"Gather-words-{sign}", "Gather", {"axis": 1}, [TABLE.view(f"{sign}1"), CHOSEN], {}, constants=(0,))
        for sign in "iu"
    ),
    OpCase("Gather-vectors", "Gather", {"axis": 1}, [PICTURES, whole(3, low=-5, high=5)], LAST),
    OpCase(
        "GatherND-vectors", "GatherND", {}, [floats(3, 4, 8), whole(5, 2, low=-3, high=3, dtype="int64")], {(1, 0): "I"}
    ),
    OpCase("CumSum-vectors", "CumSum", {"axis": 1, "reverse": True}, [PICTURES], LAST, tolerance=1e-5),
    OpCase(
        "LocalResponseNorm-vectors",
        "LocalResponseNorm",
        {"size": 3},
        [floats(2, 5, 2, 4) * 9],
        {(0, 0): "N"},
        tolerance=1e-5,
    ),
    OpCase("ReduceMean-last-vectors", "ReduceMean", {"axes": (-1,), "keepdims": True}, [PICTURES], LAST),
    OpCase("ReduceSum-middle-vectors", "ReduceSum", {"axes": (1, 2), "keepdims": False}, [PICTURES], LAST),
    OpCase("Softmax-vectors", "Softmax", {"axis": -1}, [PICTURES], LAST),
    OpCase("ArgMax-vectors", "ArgMax", {"axis": -1, "keepdims": False}, [PICTURES], LAST),
    OpCase("ArgMin-last-vectors", "ArgMin", {"axis": -1, "keepdims": False, "select_last": True}, [whole(5, 16)]),
    OpCase("LayerNorm-vectors", "LayerNorm", {"axis": -1}, [PICTURES, floats(8, seed=2), floats(8, seed=3)], LAST),
    OpCase("Sigmoid-vectors", "Sigmoid", {}, [PICTURES], LAST),
    OpCase("Mul-vectors-by-rows", "Mul", {}, [PICTURES, floats(2, 1, 6, 1)], LAST),
    OpCase("Add-vectors-by-columns", "Add", {}, [PICTURES, floats(8, seed=5)], LAST),
]
