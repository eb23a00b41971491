"""Functions of single bytes as tables of 256 numbers."""

from functools import cache

from intab.kernels.block import Block, KernelWriter, at, load
from intab.kernels.ir import I32, Expr, Kernel, Type
from intab.kernels.verify import REGISTER_OF

UNROLL = 4
# Elements that an item works through.
LOOKUP_BLOCK = 4096
# The number of the first entry, for the smallest byte.
FIRST = {"u8": 0, "i8": 128}


@cache
def lookup(dtype: str, output: str, *, single: bool = False) -> Kernel:
    """y = table[x - the smallest number of x's dtype, "u8" or "i8"]; table and y hold `output`.

    Buffers: x, table (256), y. Words: count. Items: ceil(count / LOOKUP_BLOCK), or, with no words, `single` elements.
    """
    kernel = KernelWriter(f"lookup_{dtype}_{output}")
    kernel.buffer("x", dtype, "read")
    kernel.buffer("table", output, "read")
    kernel.buffer("y", output, "write")

    def entry(block: Block, number: Expr) -> Expr:
        index = block.let("index", number + FIRST[dtype])
        return block.let("entry", load("table", index, Type(REGISTER_OF[output])))

    if single:
        kernel.store("y", kernel.item, entry(kernel, load("x", kernel.item, I32)))
        return kernel.kernel()
    count = kernel.word("count")
    with kernel.tile("body"):
        first = kernel.let("first", kernel.item * LOOKUP_BLOCK)
        length = kernel.let("length", (count - first).minimum(LOOKUP_BLOCK))
        read, write = kernel.let("read", at("x", first)), kernel.let("write", at("y", first))
        whole = kernel.let("whole", length & -UNROLL)
        for begin, end, step in ((0, whole, UNROLL), (whole, length, 1)):
            with kernel.loop("i", begin, end, step):
                entries = [entry(kernel, load("x", read, I32, k)) for k in range(step)]
                for k, value in enumerate(entries):
                    kernel.store("y", write, value, k)
                kernel.advance(read, step)
                kernel.advance(write, step)
    return kernel.kernel()
