"""Kernels of teams, over buffers of vectors, of products of packed bytes: for the interpreter and for WebGPU."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from intab.dtypes import DTYPES
from intab.kernels.block import KernelWriter, at, combined, from_member, load
from intab.kernels.ir import F32, I32, I64, U32, Const, DotBytes, Fma, Kernel, Lane, Splat, Spread, Type
from tests.kernels.case import Array, KernelCase, case, integers, normal

# SwiftShader's subgroups, which GPUs do not have; kernels are made for the size that the device has.
SUBGROUP = 4
FOUR = F32.wide(4)


def team_cases(subgroup: int = SUBGROUP) -> Iterator[KernelCase]:
    """Cases of teams that share memory, then of teams in subgroups of that size."""
    yield from vector_copies()
    yield from narrowings()
    yield from byte_products()
    yield from words_spread()
    yield from shared_sums((1, 8), (5, 40))
    yield from reversals()
    yield shared_product()
    yield from subgroup_cases(subgroup)


def subgroup_cases(subgroup: int) -> Iterator[KernelCase]:
    yield from subgroup_combinations(subgroup)
    yield rotation(subgroup)
    yield subgroup_product(subgroup)


def register_of(dtype: str) -> Type:
    return {"f32": F32, "f16": F32, "i64": I64, "u32": U32}.get(dtype, I32)


def vector_copies() -> Iterator[KernelCase]:
    """y[4 item ...] = x[4 item + 8 ...], once by an index, once by a pointer that moves."""
    for dtype in ("f32", "f16", "i64", "u32", "i16", "u8", "bool"):
        for moving in (False, True):
            k = KernelWriter("vector_copy")
            x, y = k.buffer("x", dtype, "read", vector=4), k.buffer("y", dtype, "write", vector=4)
            start = k.word("start")
            index = k.let("index", k.item * 4)
            if moving:
                index = k.let("p", at(x, start + 4))
                k.advance(index, k.item * 4)
                k.advance(index, -4)
            k.store(y, k.item * 4, load(x, index, register_of(dtype).wide(4), 8 - 8 * moving))
            values = integers("i2", 48).astype(dtype_of(dtype))
            yield case(
                f"vector-copy-{dtype}-{moving}", k.kernel(), {"x": values}, {"start": 8}, 9, values[8:44], spare=4
            )


def dtype_of(dtype: str) -> np.dtype[np.generic]:
    """numpy's type of a short name."""
    return DTYPES[dtype].numpy


def narrowings() -> Iterator[KernelCase]:
    """y = x of 32 bits in a smaller type: integers wrap, floats round to the nearest."""
    wild = np.random.default_rng(6).integers(-(2**31), 2**31, 64, np.int32)
    wild[:8] = 127, 128, -128, -129, 255, 256, 32768, -32769
    # Halfway between 16-bit floats and beside that, over all exponents; from the 15th on they are not normal.
    fractions = np.array([1 + 2**-11, 1 + 3 * 2**-11, 1 + 2**-11 + 2**-20, -1 - 2**-11])
    ties = (fractions * 2.0 ** np.arange(-25, 16)[:, None]).astype("f4").reshape(-1)
    for dtype in ("u8", "i8", "u16", "i16", "f16"):
        source, x = ("f32", ties) if dtype == "f16" else ("i32", wild)
        for vector in (1, 4):
            k = KernelWriter("narrowing")
            k.buffer("x", source, "read", vector=vector)
            k.buffer("y", dtype, "write", vector=vector)
            k.store("y", k.item * vector, load("x", k.item * vector, register_of(source).wide(vector)))
            narrow, items = x.astype(dtype_of(dtype)), x.size // vector
            yield case(f"narrow-{dtype}-{vector}", k.kernel(), {"x": x}, {}, items, narrow, spare=4)


def byte_products() -> Iterator[KernelCase]:
    """y[item] = the sum of x[item] times z[item], each of four bytes; the largest products among them."""
    for signed in (True, False):
        k = KernelWriter("byte_products")
        x, z, y = k.buffer("x", "u32", "read"), k.buffer("z", "u32", "read"), k.buffer("y", "i32", "write")
        k.store(y, k.item, DotBytes(load(x, k.item, U32), load(z, k.item, U32), signed))
        low, high = (-128, 127) if signed else (0, 255)
        left, right = (np.random.default_rng(5).integers(low, high + 1, (2, 70, 4))).astype("i1" if signed else "u1")
        left[:4], right[:4] = low, ((low,), (high,), (0,), (1,))
        left[4:6], right[4:6] = high, ((high,), (low,))
        words = {"x": left.view("u4"), "z": right.view("u4")}
        wanted = (left.astype("i4") * right).sum(1, dtype=np.int32)
        yield case(f"byte-products-{'signed' if signed else 'unsigned'}", k.kernel(), words, {}, 70, wanted)


def words_spread() -> Iterator[KernelCase]:
    """y[item] = the four lowest numbers of 8 or of 4 bits in a word, with signs and without."""
    words = np.random.default_rng(6).integers(0, 2**32, 70, dtype=np.uint32)
    words[:2] = 0x80FF7F00, 0x0000F870
    for bits in (8, 4):
        for signed in (True, False):
            k = KernelWriter("words_spread")
            x, y = k.buffer("x", "u32", "read"), k.buffer("y", "i32", "write", vector=4)
            k.store(y, k.item * 4, Spread(load(x, k.item, U32), bits, signed))
            numbers = words[:, None] >> np.arange(0, 4 * bits, bits, dtype=np.uint32) & ((1 << bits) - 1)
            wanted = numbers.astype(np.int32)
            wanted -= (1 << bits) * (signed & (wanted >> (bits - 1)))
            title = f"words-spread-{bits}-{'signed' if signed else 'unsigned'}"
            yield case(title, k.kernel(), {"x": words}, {}, 70, wanted.ravel(), spare=4)


def shared_sums(*shapes: tuple[int, int]) -> Iterator[KernelCase]:
    """y[item] = sum of row `item`: a team of 8, each with every eighth element, then halves upon halves."""
    kernel = shared_sum()
    for rows, columns in shapes:
        values = normal(rows, columns)
        words = {"length": columns}
        yield case(f"shared-sum-{rows}", kernel, {"x": values}, words, rows, values.sum(1), tolerance=1e-5)


def shared_sum() -> Kernel:
    k = KernelWriter("shared_sum")
    x, y, length = k.buffer("x", "f32", "read"), k.buffer("y", "f32", "write"), k.word("length")
    member, parts = k.team(8), k.shared("parts", "f32", 8)
    total = k.let("total", 0.0, F32)
    with k.loop("i", 0, length // 8) as i:
        k.assign(total, total + load(x, k.item * length + i * 8 + member, F32))
    k.store(parts, member, total)
    k.barrier()
    for half in (4, 2, 1):
        with k.when(member.lt(half)):
            k.store(parts, member, load(parts, member, F32) + load(parts, member + half, F32))
        k.barrier()
    with k.when(member.equal(0)):
        k.store(y, k.item, load(parts, 0, F32))
    return k.kernel()


def reversals() -> Iterator[KernelCase]:
    """y = x backwards, through shared arrays of every type, four elements at a time where they are vectors."""
    for dtype in ("f32", "f16", "i64", "u16", "i8", "bool"):
        for vector in (1, 4):
            k = KernelWriter("reversal")
            x, y = k.buffer("x", dtype, "read", vector=vector), k.buffer("y", dtype, "write", vector=vector)
            member, held = k.team(6), k.shared("held", dtype, 6 * vector, vector=vector)
            register, place = register_of(dtype).wide(vector), k.let("place", member * vector)
            k.store(held, place, load(x, k.item * (6 * vector) + place, register))
            k.barrier()
            p = k.let("p", at(held, 5 * vector - place))
            k.store(y, k.item * (6 * vector) + place, load(held, p, register))
            values = integers("i2", 3, 6, vector).astype(dtype_of(dtype))
            yield case(f"reversal-{dtype}-{vector}", k.kernel(), {"x": values}, {}, 3, values[:, ::-1], spare=4)


def shared_product() -> KernelCase:
    """Tiles of 4 x 4 of a product, whose sides a team of 4 brings into shared memory four depths at a time."""
    k = KernelWriter("shared_product")
    a, b = k.buffer("a", "f32", "read", vector=4), k.buffer("b", "f32", "read", vector=4)
    y, depth, columns = k.buffer("y", "f32", "write", vector=4), k.word("depth"), k.word("columns")
    member = k.team(4)
    rows = k.shared("rows", "f32", 16, vector=4)
    tiles = columns // 4
    row, column = k.let("row", k.item // tiles * 4 + member), k.let("column", k.item % tiles * 4)
    total = k.let("total", Splat(Const(0.0, F32), 4))
    with k.loop("k", 0, depth, 4) as deep:
        k.store(rows, member * 4, load(b, (deep + member) * columns + column, FOUR))
        left = k.let("left", load(a, row * depth + deep, FOUR))
        k.barrier()
        for lane in range(4):
            k.assign(total, Fma(Splat(Lane(left, lane), 4), load(rows, 4 * lane, FOUR), total))
        k.barrier()
    k.store(y, row * columns + column, total)
    return product("shared-product", k.kernel(), rows=8, depth=12, columns=20)


def product(name: str, kernel: Kernel, *, rows: int, depth: int, columns: int, tile: int = 16) -> KernelCase:
    left, right = normal(rows, depth), normal(depth, columns)
    words, items = {"depth": depth, "columns": columns}, rows * columns // tile
    return case(name, kernel, {"a": left, "b": right}, words, items, left @ right, tolerance=1e-5, spare=4)


def subgroup_combinations(size: int) -> Iterator[KernelCase]:
    """The sum, most and least of what all members have, of floats, integers and vectors."""
    meanings = {"add": np.sum, "max": np.max, "min": np.min}
    for op, meaning in meanings.items():
        for dtype in ("f32", "i32", "u32", "i64"):
            for vector in (1, 4):
                k = KernelWriter("combined")
                x, y = k.buffer("x", dtype, "read", vector=vector), k.buffer("y", dtype, "write", vector=vector)
                member = k.team(size, in_subgroup=True)
                mine = load(x, (k.item * size + member) * vector, register_of(dtype).wide(vector))
                result = k.let("result", combined(op, mine))
                with k.when(member.equal(k.item % size)):
                    k.store(y, k.item * vector, result)
                values: Array = (normal(5, size, vector) * 9).astype(dtype_of(dtype))
                wanted = meaning(values, axis=1).astype(values.dtype)
                name = f"combined-{op}-{dtype}-{vector}"
                yield case(name, k.kernel(), {"x": values}, {}, 5, wanted, tolerance=1e-5, spare=4)


def rotation(size: int) -> KernelCase:
    """Each member gets what another has, whose number is computed."""
    k = KernelWriter("rotation")
    x, y, by = k.buffer("x", "i32", "read"), k.buffer("y", "i32", "write"), k.word("by")
    member = k.team(size, in_subgroup=True)
    mine = k.let("mine", load(x, k.item * size + member, I32))
    k.store(y, k.item * size + member, from_member(mine, (member + by) % size))
    values = integers("i4", 3, size)
    return case("rotation", k.kernel(), {"x": values}, {"by": 1}, 3, np.roll(values, -1, 1))


def subgroup_product(size: int) -> KernelCase:
    """Tiles of a row a member by four columns of a product: each member loads one depth and tells it to all."""
    k = KernelWriter("subgroup_product")
    a, b = k.buffer("a", "f32", "read"), k.buffer("b", "f32", "read", vector=4)
    y, depth, columns = k.buffer("y", "f32", "write", vector=4), k.word("depth"), k.word("columns")
    member = k.team(size, in_subgroup=True)
    tiles = columns // 4
    row, column = k.let("row", k.item // tiles * size + member), k.let("column", k.item % tiles * 4)
    total = k.let("total", Splat(Const(0.0, F32), 4))
    p, q = k.let("p", at(b, member * columns + column)), k.let("q", at(a, row * depth))
    with k.loop("k", 0, depth, size):
        right = k.let("right", load(b, p, FOUR))
        for deep in range(size):
            k.assign(total, Fma(Splat(load(a, q, F32, deep), 4), from_member(right, deep), total))
        k.advance(p, columns * size)
        k.advance(q, size)
    k.store(y, row * columns + column, total)
    made = product("subgroup-product", k.kernel(), rows=2 * size, depth=3 * size, columns=8, tile=4 * size)
    return replace(made, tolerance=1e-5)
