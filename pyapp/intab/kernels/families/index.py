"""Numbers in a row, and elements found by several indices."""

from functools import cache

from intab.errors import KernelError
from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families.elementwise import FLAT_BLOCK
from intab.kernels.families.loops import lanes_for
from intab.kernels.families.share import Share
from intab.kernels.ir import I32, Cast, Expr, Kernel, Type
from intab.kernels.verify import REGISTER_OF


@cache
def count_up(dtype: str, block: int = FLAT_BLOCK) -> Kernel:
    """y[i] = start + i * step.

    Buffers: y ("i64" or "i32"). Words: count, start, step. Items: ceil(count / block).
    """
    if dtype not in ("i64", "i32"):
        raise KernelError(f"Numbers are counted up in i64 or i32, not {dtype}.")
    kernel = KernelWriter("count_up")
    kernel.buffer("y", dtype, "write")
    count, start, step = (kernel.word(name) for name in ("count", "start", "step"))
    with kernel.tile("body"):
        first = kernel.let("first", kernel.item * block)
        with kernel.loop("i", first, count.minimum(first + block)) as index:
            number: Expr = start + index * step
            kernel.store("y", index, Cast(number, Type("i64")) if dtype == "i64" else number)
    return kernel.kernel()


@cache
def gather_nd(dtype: str, depth: int, *, indices: str = "i64", lanes: int, width: int = 0) -> Kernel:
    """y[batch, k, :] = x[batch, i_0, ..., i_{depth-1}, :] with (i_0, ...) = indices[batch, k, :].

    An index below 0 counts from the end; outside its axis it is taken for the nearest end: a kernel cannot raise.
    Buffers: x [batches, size_0, ..., inner], indices [batches, count, depth] ("i64" or "i32"),
    y [batches, count, inner], all contiguous. Words: size_0 .. size_{depth-1}, count, inner.
    Items: batches * count; see `Share` for `width`.
    """
    if indices not in ("i64", "i32"):
        raise KernelError(f"Indices are i64 or i32, not {indices}.")
    kernel = KernelWriter("gather_nd")
    kernel.buffer("x", dtype, "read", vector=width or 1)
    kernel.buffer("indices", indices, "read")
    kernel.buffer("y", dtype, "write", vector=width or 1)
    sizes = [kernel.word(f"size_{axis}") for axis in range(depth)]
    count, inner = kernel.word("count"), kernel.word("inner")
    register = Type(REGISTER_OF[dtype])
    share = Share(kernel, width, inner)
    with kernel.tile("row"):
        place: Expr = kernel.let("batch", share.outer // count)
        for axis, size in enumerate(sizes):
            stored: Expr = load("indices", share.outer * depth, Type(indices), axis)
            index = kernel.let("index", Cast(stored, I32) if indices == "i64" else stored)
            index = kernel.let("index", index + size * Cast(index.lt(0), I32))
            place = kernel.let("place", place * size + index.maximum(0).minimum(size - 1))
        reading = kernel.let("reading", at("x", place * inner + share.first))
        writing = kernel.let("writing", at("y", share.outer * inner + share.first))
        share.stream(
            lanes_for(lanes, dtype),
            [reading, writing],
            lambda width: kernel.store("y", writing, load("x", reading, register.wide(width))),
        )
    return kernel.kernel()
