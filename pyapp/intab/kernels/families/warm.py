"""Lines of memory read before they are needed.

A register tile walks several rows at once, a few bytes of each in turn: from memory beyond the cache that is slow,
since every row waits for its own line. Walked through from end to end, the same lines come at the memory's full speed.
"""

from intab.kernels.block import Block, at, load
from intab.kernels.ir import F32, Expr

LINE = 16  # elements of f32 in a line of the cache
LINES_AT_ONCE = 4


def warm(block: Block, buffer: str, start: Expr, *, rows: Expr, row_step: Expr, length: Expr) -> None:
    """Read one number of each line of `rows` rows of `length` f32, `row_step` elements apart, from `start` on.

    Nothing is done with the numbers: that a load may trap keeps engines from leaving it out.
    """
    with block.tile("warm"):
        row = block.let("warm_row", at(buffer, start))
        whole = block.let("warm_whole", length - length % (LINE * LINES_AT_ONCE))
        with block.loop("r", 0, rows):
            line = block.let("warm_line", row)
            for begin, end, lines in ((0, whole, LINES_AT_ONCE), (whole, length, 1)):
                with block.loop("i", begin, end, LINE * lines):
                    for number in range(lines):
                        block.let("touched", load(buffer, line, F32, LINE * number))
                    block.advance(line, LINE * lines)
            block.advance(row, row_step)
