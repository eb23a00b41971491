"""Programs as bytes: what comes back is what was compiled, and computes the same."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from intab import formats
from intab.backends.wasm.desktop import WasmtimeMachine
from intab.backends.wasm.executable import WasmExecutable, module_of, prepare
from intab.backends.wasm.pool import Pool
from intab.dtypes import float16, float32, int8, uint8
from intab.errors import CacheError, IntegrityError, ModelFormatError
from intab.graph.derived import Unpacked, unpacked
from intab.graph.dims import Dim, ceil_div, maximum, minimum, symbol
from intab.graph.ir import Array, Constant, Graph
from intab.graph.storage import MemoryStorage
from intab.ops.builder import Builder
from intab.optimize import optimize
from intab.optimize.constants import reshaped, scaled, transposed, widened
from intab.program import Program, build
from intab.program.serialize import StoredProgram, from_bytes, to_bytes
from intab.program.size_table import SizeReader, SizeWriter
from intab.program.stored_constants import ConstantReader, ConstantWriter
from intab.target import WASM_RELAXED_SIMD

FEEDS = {"det": (1, 3, 64, 96), "rec": (2, 3, 48, 80), "cls": (2, 3, 48, 96)}


def compiled(path: Path) -> tuple[StoredProgram, MemoryStorage]:
    model = MemoryStorage(path.name, path.read_bytes())
    graph = formats.read(model)
    program = build(optimize(graph, target=WASM_RELAXED_SIMD), WASM_RELAXED_SIMD)
    return StoredProgram(program, module_of(program), graph), model


@pytest.fixture(scope="module")
def small(ocr_models: Mapping[str, Path]) -> tuple[StoredProgram, MemoryStorage]:
    return compiled(ocr_models["cls"])


@pytest.mark.parametrize("name", FEEDS)
def test_all_of_a_program_comes_back(ocr_models: Mapping[str, Path], name: str) -> None:
    stored, model = compiled(ocr_models[name])
    data = to_bytes(stored, model)
    assert len(data) < 1 << 20  # the weights are not in it
    again = from_bytes(data, model, WASM_RELAXED_SIMD)
    assert again.module == stored.module
    for field in fields(Program):
        if field.name not in ("kernels", "weights"):
            assert getattr(again.program, field.name) == getattr(stored.program, field.name), field.name
    assert again.program.kernels == () and len(again.program.weights) == len(stored.program.weights)
    for one, other in zip(again.program.weights, stored.program.weights, strict=True):
        assert (one.buffer, one.shape, one.pack) == (other.buffer, other.shape, other.pack)
        assert one.numpy().tobytes() == other.numpy().tobytes()
    assert signature(again.signature) == signature(stored.signature)


def signature(graph: Graph) -> tuple[object, ...]:
    sides = [[(v.name, v.dtype, v.shape) for v in side] for side in (graph.inputs, graph.outputs)]
    return (graph.name, sides, graph.output_names, graph.equalities, dict(graph.metadata))


@pytest.mark.wasmtime
@pytest.mark.parametrize("name", FEEDS)
def test_it_computes_the_same(ocr_models: Mapping[str, Path], name: str) -> None:
    stored, model = compiled(ocr_models[name])
    again = from_bytes(to_bytes(stored, model), model, WASM_RELAXED_SIMD)
    pool = Pool(WasmtimeMachine(WASM_RELAXED_SIMD))
    first = asyncio.run(prepare(stored.program, pool))
    second = asyncio.run(prepare(again.program, pool, module=again.module))
    x = np.random.default_rng(1).standard_normal(FEEDS[name]).astype(np.float32)
    assert run(first, stored.signature, x) == run(second, again.signature, x)
    assert second.kernel_count == first.kernel_count
    assert kernels_run(second) == kernels_run(first)


def kernels_run(executable: WasmExecutable) -> list[str]:
    return [step.kernel for step in asyncio.run(executable.time_steps(1))]


def run(executable: WasmExecutable, graph: Graph, x: Array) -> dict[str, bytes]:
    (given,) = graph.inputs
    sizes = {str(dim): size for dim, size in zip(given.shape, x.shape, strict=True) if not isinstance(dim, int)}
    symbols = {name.strip("`"): size for name, size in sizes.items()}
    outputs = asyncio.run(executable.run({given.name: x}, symbols, graph.output_names))
    return {name: array.tobytes() for name, array in outputs.items()}


def test_other_bytes_are_refused(small: tuple[StoredProgram, MemoryStorage]) -> None:
    stored, model = small
    data = to_bytes(stored, model)
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    for damaged in (b"", data[:-1], bytes(flipped), b"x" + data[1:], data + b"\0", data[:20]):
        with pytest.raises(IntegrityError, match="is not what was stored"):
            from_bytes(damaged, model, WASM_RELAXED_SIMD)


def test_constants_made_while_compiling_are_kept_up_to_a_bound() -> None:
    model = MemoryStorage("none", b"")
    for rows, is_kept in ((1 << 10, True), (1 << 23, False)):
        builder = Builder("made")
        x = builder.input("x", float32, (rows, 1))
        graph = builder.graph([("y", builder.emit("Add", x, builder.constant(np.ones((rows, 1), np.float32))))])
        program = build(graph, WASM_RELAXED_SIMD)
        stored = StoredProgram(program, module_of(program), graph)
        if is_kept:
            (weight,) = from_bytes(to_bytes(stored, model), model, WASM_RELAXED_SIMD).program.weights
            assert weight.numpy().shape == (rows, 1) and (weight.numpy() == 1).all()
        else:
            with pytest.raises(CacheError, match="too many to be stored"):
                to_bytes(stored, model)


def test_sizes_come_back_equal() -> None:
    h, w = symbol("H"), symbol("an odd name: 1")
    halved = ceil_div(h, 2)
    sizes: list[Dim] = [0, -3, h, 2 * h * w - 5, halved, maximum(halved, w) % 7, minimum(h * h, halved // w), h]
    writer = SizeWriter()
    numbers = writer.numbers(sizes)
    assert numbers[2] == numbers[-1]
    assert SizeReader(writer.rows).shape(numbers) == tuple(sizes)


def test_weights_that_follow_from_the_model_are_kept_as_rules() -> None:
    """Transposed, scaled, both, and both ways round: places of the model's bytes, not the bytes."""
    numbers = np.random.default_rng(2).standard_normal((8, 16, 48)).astype(np.float32)
    model = MemoryStorage("model", numbers.tobytes())
    given = Constant(float32, numbers.shape, model, 0, model.nbytes)
    factor = Constant.of(np.arange(1, 9, dtype=np.float32))
    turned = transposed(scaled(given, factor, 0, "scaled"), (2, 0, 1), "turned")
    again = scaled(transposed(given, (1, 0, 2), "turned"), factor, 1, "scaled")
    flat = reshaped(again, (128, 48))
    for made, expected in (
        (flat, again.numpy().reshape(128, 48)),
        (turned, (numbers * factor.numpy()[:, None, None]).transpose(2, 0, 1)),
        (again, (numbers * factor.numpy()[:, None, None]).transpose(1, 0, 2)),
    ):
        blobs = [b"module"]
        row = json.loads(json.dumps(ConstantWriter(model, blobs).row(made)))
        assert blobs == [b"module", factor.numpy().tobytes()]
        back = ConstantReader(model, [memoryview(blob) for blob in blobs]).constant(row)
        assert (back.numpy() == expected).all() and back.shape == expected.shape
        assert back.storage.read(4, 8) == made.storage.read(4, 8)
        with pytest.raises(ModelFormatError, match="cut short"):
            back.storage.read(0, model.nbytes + 1)


def test_widened_weights_are_kept_as_a_rule() -> None:
    numbers = np.random.default_rng(2).standard_normal((8, 16, 48)).astype(np.float16)
    model = MemoryStorage("model", numbers.tobytes())
    made = transposed(widened(Constant(float16, numbers.shape, model, 0, model.nbytes), "wide"), (2, 0, 1), "turned")
    blobs = [b"module"]
    row = json.loads(json.dumps(ConstantWriter(model, blobs).row(made)))
    assert blobs == [b"module"]
    back = ConstantReader(model, []).constant(row)
    assert back.dtype == float32
    np.testing.assert_array_equal(back.numpy(), numbers.astype(np.float32).transpose(2, 0, 1))
    with pytest.raises(ModelFormatError, match="cut short"):
        back.storage.read(0, 2 * model.nbytes + 1)


def test_weights_of_four_bits_are_kept_as_a_rule() -> None:
    data = np.random.default_rng(2).integers(0, 256, 3 * 8).astype(np.uint8)
    model = MemoryStorage("model", data.tobytes())
    made = unpacked(Unpacked(Constant(uint8, data.shape, model, 0, model.nbytes), (3, 13), 4, width=16, middle=8))
    blobs = [b"module"]
    row = json.loads(json.dumps(ConstantWriter(model, blobs).row(made)))
    assert blobs == [b"module"]
    back = ConstantReader(model, []).constant(row)
    assert back.dtype == int8
    expected = np.stack([data & 15, data >> 4], 1).reshape(3, 16)[:, :13].astype(np.int8) - 8
    np.testing.assert_array_equal(back.numpy(), expected)
    with pytest.raises(ModelFormatError, match="cut short"):
        back.storage.read(0, 3 * 13 + 1)
