"""What of a program is kept in 16 bits, and what is not."""

from dataclasses import replace

import numpy as np
import pytest

from intab.backends.webgpu.elements import check_numbers
from intab.dtypes import DType, float16, float32, int64
from intab.errors import DTypeError
from intab.graph.dims import symbol
from intab.graph.ir import Constant, Graph, Value
from intab.graph.storage import MemoryStorage
from intab.ops.builder import Builder
from intab.program import build
from intab.program.half_ranges import needing_float32
from intab.program.halves import keeps_bits, kept_exact
from intab.program.ir import ARENA, WEIGHTS, Program
from intab.program.serialize import StoredProgram, from_bytes, to_bytes
from intab.target import HALVES, WEBGPU
from tests.ops.bodies import epilogue

TARGET = replace(WEBGPU, subgroup=4).with_feature(HALVES).with_feature("shader-f16")
WIDTH = 64


def two_products() -> Graph:
    """relu(x @ w + b) @ w + x, for x [N, 64]."""
    builder = Builder("two")
    x = builder.input("x", float32, (symbol("N"), WIDTH))
    w = builder.constant(np.eye(WIDTH, dtype=np.float32), "w")
    b = builder.constant(np.ones(WIDTH, np.float32), "b")
    inner = builder.emit("Relu", builder.emit("MatMul", x, w, b))
    return builder.graph([("y", builder.emit("Add", builder.emit("MatMul", inner, w), x))])


def nbytes_of(program: Program, region: int, n: int = 3) -> int:
    sizes = (program.dims[b.nbytes_dim] for b in program.buffers if b.region == region)
    return sum(size if isinstance(size, int) else size.terms[0][1] * n for size in sizes)


def test_weights_and_values_take_half_the_bytes() -> None:
    halves, floats = (build(two_products(), target) for target in (TARGET, replace(WEBGPU, subgroup=4)))
    assert nbytes_of(halves, ARENA) * 2 == nbytes_of(floats, ARENA) > 0
    vector = 4 * WIDTH
    assert (nbytes_of(halves, WEIGHTS) - vector) * 2 == nbytes_of(floats, WEIGHTS) - vector
    assert [weight.stored for weight in halves.weights].count(None) == 1
    ports = (*halves.inputs, *halves.outputs)
    assert [port.dtype for port in ports] == [float32] * 2
    seen = {b.dtype for k in halves.kernels for b in k.buffers}
    assert seen == {"f16", "f32"}
    assert kept_exact(halves).startswith("float16: 0.0 MiB of weights in 16 bits; 1 vectors")


def test_a_stored_program_keeps_them() -> None:
    program, model = build(two_products(), TARGET), MemoryStorage("none", b"")
    graph = two_products()
    again = from_bytes(to_bytes(StoredProgram(program, b"", graph), model), model, TARGET).program
    assert [weight.stored for weight in again.weights] == [weight.stored for weight in program.weights]
    assert float16 in [weight.stored for weight in again.weights]


@pytest.mark.parametrize(
    ("numbers", "halved"),
    [
        (np.ones((64, 64)), True),
        (np.zeros((64, 64)), True),
        (np.full((64, 64), 5e4), False),
        (np.full((64, 64), 1e-5), False),
        (np.ones((8, 8)), False),
        (np.ones((1, 4096)), False),
    ],
    ids=["matrix", "zeros", "large", "tiny", "few", "vector"],
)
def test_which_weights_are_halved(numbers: np.ndarray, halved: bool) -> None:
    assert keeps_bits(Constant.of(numbers.astype(np.float32))) is halved


def kept(make: str) -> bool:
    """Whether the last value of a small graph stays in 32 bits."""
    builder = Builder(make)
    x, ids = builder.input("x", float32, (4, 8)), builder.input("ids", int64, (4, 1))
    value = RECIPES[make](builder, x, ids)
    return value in needing_float32(builder.graph([("y", value)]))


def number(builder: Builder, value: float) -> Value:
    return builder.constant(np.float32(value).reshape(1), f"n{value}")


def counted(builder: Builder, ids: Value, to: DType = float32) -> Value:
    return builder.emit("Cast", ids, to=to)


RECIPES = {
    "positions": lambda b, x, ids: b.emit("Mul", counted(b, ids), number(b, 0.5)),
    "their angles": lambda b, x, ids: b.emit("Sin", b.emit("Mul", counted(b, ids), number(b, 0.5))),
    "with what is rounded": lambda b, x, ids: b.emit("Mul", b.emit("Relu", x), counted(b, ids)),
    "mask": lambda b, x, ids: b.emit("Mul", x, number(b, -1e9)),
    "scores with a mask": lambda b, x, ids: b.emit("Add", x, b.emit("Mul", x, number(b, -1e9))),
    "shares of these": lambda b, x, ids: b.emit("Softmax", b.emit("Mul", x, number(b, -1e9)), axis=1),
    "exponential": lambda b, x, ids: b.emit("Exp", x),
    "square": lambda b, x, ids: b.emit("Mul", x, x),
    "sum": lambda b, x, ids: b.emit("ReduceSum", x, axes=(1,), keepdims=True),
    "mean": lambda b, x, ids: b.emit("ReduceMean", x, axes=(1,), keepdims=True),
    "relu": lambda b, x, ids: b.emit("Relu", x),
}
STAYING = {"positions", "mask", "scores with a mask", "exponential", "square", "sum"}


@pytest.mark.parametrize("make", RECIPES)
def test_which_values_stay(make: str) -> None:
    assert kept(make) is (make in STAYING)


def test_what_exponentials_are_taken_of_stays() -> None:
    builder = Builder("softmax")
    x = builder.input("x", float32, (4, 8))
    logits = builder.emit("Relu", x)
    assert needing_float32(builder.graph([("y", builder.emit("Softmax", logits, axis=1))])) == {logits}


def test_nan_that_nobody_fed_is_an_error() -> None:
    bad, good = np.array([np.nan], np.float32), np.array([np.inf, 1], np.float32)
    check_numbers("m", {"x": good}, {"y": good})
    check_numbers("m", {"x": bad}, {"y": bad})
    check_numbers("m", {"x": good}, {"i": np.zeros(2, np.int64)})
    with pytest.raises(DTypeError, match=r"m: 'y' holds NaN. .* 65504.* precision=\"float32\""):
        check_numbers("m", {"x": good}, {"y": bad})


@pytest.mark.parametrize("biased", [True, False])
def test_operands_of_an_epilogue_are_known_by_their_place(biased: bool) -> None:
    builder = Builder("masked scores")
    x, other = builder.input("x", float32, (4, 8)), builder.input("other", float32, (4, 4))
    mask = builder.emit("Mul", other, number(builder, -1e9))
    w, bias = builder.constant(np.ones((8, 4), np.float32)), builder.constant(np.ones(4, np.float32))
    masked = builder.emit("MatMul", x, w, bias if biased else None, mask, epilogue=epilogue())
    plain = builder.emit("MatMul", x, w, bias if biased else None, other, epilogue=epilogue())
    needing = needing_float32(builder.graph([("masked", masked), ("plain", plain)]))
    assert masked in needing and plain not in needing
