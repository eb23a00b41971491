"""A compiled program as bytes, and back: what a cache keeps so that a model need not be compiled again.

    magic | sha256 of the rest | length of the tables | tables (JSON) | the module | constants made while compiling

Weights are not in it: they are packed again from the model's own bytes, of which only places are kept, and the rules
by which weights follow from them (`graph.derived`).
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from intab.dtypes import DTYPES
from intab.errors import CacheError, IntegrityError
from intab.graph.ir import Equality, Graph, Value
from intab.graph.storage import Storage
from intab.ops.lowering import Work
from intab.ops.packing import Packing
from intab.program.ir import Buffer, Port, Product, Program, Reading, Segment, Step, Weight, Word
from intab.program.size_table import SizeReader, SizeWriter
from intab.program.stored_constants import ConstantReader, ConstantWriter
from intab.target import Target

MAGIC = b"intabP3\n"
# Of a model in parts, which `stored_parts` writes and reads.
PARTS_MAGIC = b"intabM1\n"
_DIGEST_NBYTES = 32
_LENGTH_NBYTES = 4
# More than this of constants made while compiling (folded weights) is not worth keeping twice.
MOST_BLOBS_NBYTES = 1 << 25
_HEAD_NBYTES = len(MAGIC) + _DIGEST_NBYTES

Json = Any  # what json makes of a table


@dataclass(frozen=True, slots=True, eq=False)
class StoredProgram:
    """A program with the module of its kernels; `signature` is the model's graph without its nodes and constants."""

    program: Program
    module: bytes
    signature: Graph


def to_bytes(stored: StoredProgram, model: Storage) -> bytes:
    """What `from_bytes` reads. `model` is where the model's own bytes lie.

    Raises CacheError for a program with more than 32 MiB of constants that are not the model's.
    """
    sizes, blobs = SizeWriter(), [stored.module]
    constants = ConstantWriter(model, blobs)
    program = stored.program
    tables: dict[str, Json] = {
        "name": program.name,
        "kernels": program.kernel_names,
        "numeric": program.numeric_kernels,
        "dims": [sizes.number(dim) for dim in program.dims],
        "steps": [_step_row(step, sizes) for step in program.steps],
        "segments": [
            [s.first_step, s.end_step, [[list(r.symbols), r.buffer, r.dtype.name] for r in s.readings]]
            for s in program.segments
        ],
        "buffers": [[b.region, b.nbytes_dim, b.first_step, b.last_step] for b in program.buffers],
        "weights": [_weight_row(weight, constants) for weight in program.weights],
        "inputs": [_port_row(port, sizes) for port in program.inputs],
        "outputs": [_port_row(port, sizes) for port in program.outputs],
        "equalities": _equality_rows(program.equalities, sizes),
        "signature": signature_row(stored.signature, sizes),
        "products": [[p.step, p.problem, p.shape] for p in program.products],
    }
    blobs_nbytes = sum(map(len, blobs))
    if blobs_nbytes > MOST_BLOBS_NBYTES:
        raise CacheError(f"{program.name}: {blobs_nbytes:,} bytes were made while compiling: too many to be stored.")
    tables |= {"sizes": sizes.rows, "blobs": [len(blob) for blob in blobs]}
    text = json.dumps(tables, separators=(",", ":")).encode()
    body = b"".join([len(text).to_bytes(_LENGTH_NBYTES, "little"), text, *blobs])
    return MAGIC + hashlib.sha256(body).digest() + body


def from_bytes(data: bytes, model: Storage, target: Target) -> StoredProgram:
    """A program again, for the target that it was compiled for. Raises IntegrityError for any other bytes."""
    body = memoryview(data)[_HEAD_NBYTES:]
    if data[: len(MAGIC)] != MAGIC or hashlib.sha256(body).digest() != data[len(MAGIC) : _HEAD_NBYTES]:
        raise IntegrityError(f"{model.name}: the stored program is not what was stored. Delete it and load again.")
    length = int.from_bytes(body[:_LENGTH_NBYTES], "little")
    tables = json.loads(bytes(body[_LENGTH_NBYTES : _LENGTH_NBYTES + length]))
    blobs, place = [], _LENGTH_NBYTES + length
    for nbytes in tables["blobs"]:
        blobs.append(body[place : place + nbytes])
        place += nbytes
    sizes, constants = SizeReader(tables["sizes"]), ConstantReader(model, blobs)
    program = Program(
        tables["name"],
        target,
        (),
        tuple(_step(row, sizes) for row in tables["steps"]),
        tuple(
            Segment(
                first, end, tuple(Reading(tuple(symbols), buffer, DTYPES[dtype]) for symbols, buffer, dtype in rows)
            )
            for first, end, rows in tables["segments"]
        ),
        tuple(Buffer(*row) for row in tables["buffers"]),
        tuple(_weight(row, constants) for row in tables["weights"]),
        tuple(_port(row, sizes) for row in tables["inputs"]),
        tuple(_port(row, sizes) for row in tables["outputs"]),
        sizes.shape(tables["dims"]),
        _equalities(tables["equalities"], sizes),
        tuple(tables["kernels"]),
        tuple(tables["numeric"]),
        tuple(Product(*row) for row in tables["products"]),
    )
    return StoredProgram(program, bytes(blobs[0]), signature_of(tables["signature"], sizes))


def _step_row(step: Step, sizes: SizeWriter) -> Json:
    words = [number for word in step.words for number in (word.constant, word.dim, word.buffer, word.itemsize)]
    work = None
    if step.work is not None:
        work = [sizes.numbers(step.work.flops), [sizes.numbers(tensor) for tensor in step.work.tensors]]
    return [step.kernel, step.items, step.label, work, words]


def _step(row: Json, sizes: SizeReader) -> Step:
    kernel, items, label, work, numbers = row
    words = tuple(map(Word, numbers[0::4], numbers[1::4], numbers[2::4], numbers[3::4]))
    counted = None if work is None else Work(sizes.shape(work[0]), tuple(map(sizes.shape, work[1])))
    return Step(kernel, words, items, label, counted)


def _weight_row(weight: Weight, constants: ConstantWriter) -> Json:
    pack = None if weight.pack is None else [weight.pack.name, weight.pack.numbers]
    stored = None if weight.stored is None else weight.stored.name
    return [weight.buffer, weight.shape, pack, [constants.row(constant) for constant in weight.constants], stored]


def _weight(row: Json, constants: ConstantReader) -> Weight:
    buffer, shape, pack, rows, stored = row
    packing = None if pack is None else Packing(pack[0], tuple(pack[1]))
    dtype = None if stored is None else DTYPES[stored]
    return Weight(buffer, tuple(map(constants.constant, rows)), tuple(shape), packing, dtype)


def _port_row(port: Port, sizes: SizeWriter) -> Json:
    return [port.name, port.dtype.name, sizes.numbers(port.shape), port.buffer]


def _port(row: Json, sizes: SizeReader) -> Port:
    name, dtype, shape, buffer = row
    return Port(name, DTYPES[dtype], sizes.shape(shape), buffer)


def _equality_rows(equalities: tuple[Equality, ...], sizes: SizeWriter) -> Json:
    return [[sizes.number(e.left), sizes.number(e.right), e.node] for e in equalities]


def _equalities(rows: Json, sizes: SizeReader) -> tuple[Equality, ...]:
    return tuple(Equality(sizes.size(left), sizes.size(right), node) for left, right, node in rows)


def signature_row(graph: Graph, sizes: SizeWriter) -> Json:
    """A graph without its nodes and constants, as `signature_of` reads it."""
    values = [[_value_row(value, sizes) for value in side] for side in (graph.inputs, graph.outputs)]
    return [graph.name, *values, graph.output_names, _equality_rows(graph.equalities, sizes), dict(graph.metadata)]


def signature_of(row: Json, sizes: SizeReader) -> Graph:
    """The graph of a `signature_row`."""
    name, inputs, outputs, output_names, equalities, metadata = row
    return Graph(
        name,
        _values(inputs, sizes),
        _values(outputs, sizes),
        nodes=(),
        output_names=tuple(output_names),
        equalities=_equalities(equalities, sizes),
        metadata=metadata,
    )


def _value_row(value: Value, sizes: SizeWriter) -> Json:
    elements = None if value.elements is None else sizes.numbers(value.elements)
    return [value.name, value.dtype.name, sizes.numbers(value.shape), elements]


def _values(rows: Json, sizes: SizeReader) -> tuple[Value, ...]:
    return tuple(
        Value(name, DTYPES[dtype], sizes.shape(shape), None if elements is None else sizes.shape(elements))
        for name, dtype, shape, elements in rows
    )
