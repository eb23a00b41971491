"""Problems by name, the shapes that are taken for them, and programs that follow what was found on a device."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from onnx import TensorProto, helper

from intab.formats import read
from intab.graph.dims import symbol
from intab.graph.storage import MemoryStorage
from intab.ops.grid_shapes import by_estimate, candidates
from intab.ops.ways import problem_name, size_class, taken
from intab.optimize import optimize
from intab.program import build
from intab.program.ir import Program
from intab.program.serialize import StoredProgram, from_bytes, to_bytes
from intab.runtime.cache import MemoryPrograms, ProgramCache
from intab.target import WEBGPU, Target

QUADS = replace(WEBGPU, subgroup=4)
SIZES = {"rows": 128, "columns": 384, "depth": 384, "batches": 1}


def name(**changed: object) -> str:
    asked: dict[str, Any] = {**SIZES, "likely_rows": 128, "windows": False, "vector": True, **changed}
    return problem_name(**asked)


def two_products(rows: int | str = "n") -> MemoryStorage:
    """[rows, 64] by [64, 96] by [96, 32]."""
    weights = [
        helper.make_tensor(n, TensorProto.FLOAT, shape, [0.01] * (shape[0] * shape[1]))
        for n, shape in (("a", (64, 96)), ("b", (96, 32)))
    ]
    nodes = [helper.make_node("MatMul", ["x", "a"], ["m"]), helper.make_node("MatMul", ["m", "b"], ["y"])]
    x, y = (
        helper.make_tensor_value_info(n, TensorProto.FLOAT, [rows, columns]) for n, columns in (("x", 64), ("y", 32))
    )
    graph = helper.make_graph(nodes, "products", [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    return MemoryStorage("products.onnx", model.SerializeToString())


def compiled(model: MemoryStorage, target: Target) -> Program:
    return build(optimize(read(model), target=target), target)


def test_names_tell_what_differs_and_serve_what_is_alike() -> None:
    different = [
        name(),
        name(rows=49),
        name(rows=1),
        name(rows=2),
        name(columns=1000),
        name(depth=64),
        name(batches=12),
        name(windows=True),
        name(vector=False),
        name(rows=symbol("n")),
        name(rows=symbol("n"), likely_rows=4096),
        name(batches=symbol("n")),
    ]
    assert len(set(different)) == len(different)
    assert name(rows=120, columns=400) == name()
    assert [size_class(size) for size in (3, 16, 17, 128, 140, 160, 1 << 20)] == [
        "3", "16", "~16", "~128", "~128", "~181", "~1048576",
    ]  # fmt: skip


@pytest.mark.parametrize("target", [WEBGPU, QUADS])
def test_shapes_have_names_of_their_own(target: Target) -> None:
    shapes = candidates(target)
    assert len({shape.name for shape in shapes}) == len(shapes)


def test_what_was_found_is_taken_unless_it_is_refused_or_gone() -> None:
    problem, shapes = name(), by_estimate(QUADS, **SIZES)
    assert taken(QUADS, problem, shapes) == shapes[0]
    found = replace(QUADS, choices=((problem, shapes[3].name), ("another", shapes[5].name)))
    assert taken(found, problem, shapes) == shapes[3]
    assert taken(found, "a third", shapes) == shapes[0]
    assert taken(replace(found, refused=frozenset({(problem, shapes[3].name)})), problem, shapes) == shapes[0]
    assert taken(replace(QUADS, refused=frozenset({(problem, shapes[0].name)})), problem, shapes) == shapes[1]
    assert taken(replace(QUADS, choices=((problem, "of another version"),)), problem, shapes) == shapes[0]


def test_a_program_says_its_problems_and_follows_choices() -> None:
    model = two_products()
    program = compiled(model, QUADS)
    assert [product.step for product in program.products] == [0, 1]
    ways = program.ways
    assert [(step, one.problem, one.shape) for step, one in ways.items()] == [
        (product.step, product.problem, product.shape) for product in program.products
    ]
    first, second = program.products
    other = next(shape for shape in ways[0].shapes if shape.name != first.shape)
    chosen = compiled(model, replace(QUADS, choices=((first.problem, other.name), (second.problem, second.shape))))
    assert [product.shape for product in chosen.products] == [other.name, second.shape]
    kernel, items = ways[0].make(other)
    assert chosen.kernels[chosen.steps[0].kernel] is kernel
    assert chosen.dims[chosen.steps[0].items] == items


def test_a_stored_program_is_taken_while_nothing_faster_was_found() -> None:
    model, store = two_products(), MemoryPrograms()
    program = compiled(model, QUADS)
    stored = StoredProgram(program, b"module", read(model).signature())
    assert from_bytes(to_bytes(stored, model), model, QUADS).program.products == program.products

    async def found_with(target: Target) -> tuple[bool, list[str]]:
        cache = ProgramCache(store, model, target)
        stands = await cache.find() is not None
        if not stands:
            await cache.keep(stored)
        return stands, cache.notes

    first = program.products[0]
    assert asyncio.run(found_with(QUADS)) == (False, [])
    assert asyncio.run(found_with(QUADS))[0]
    same = replace(QUADS, choices=((first.problem, first.shape), ("unheard of", "whatever")))
    assert asyncio.run(found_with(same))[0]
    stands, notes = asyncio.run(found_with(replace(QUADS, choices=((first.problem, "faster"),))))
    assert not stands and "found to be faster since" in notes[0]
