"""Which integer convolutions become Winograd's, and the step that they become."""

from collections.abc import Sequence

from intab.dtypes import DType, int32
from intab.graph.dims import Dim
from intab.graph.ir import Value
from intab.kernels.families.integer_tile import TILE_COLUMNS, TILE_ROWS
from intab.kernels.families.integer_winograd import HALVES, MOST_CHANNELS, integer_winograd, pack_filter_pairs
from intab.kernels.families.winograd_transform import SMALL, WINDOW
from intab.ops.arrays import Numbers
from intab.ops.integer_dense import Operands, finish_operands, without_zero_of_filters
from intab.ops.lowering import Lowering
from intab.ops.packing import Packing, packing
from intab.ops.winograd_lowering import MOST_DILATION, Windows, cut_into_tiles, leaves_few_products

# Channels in and out below which the transforms eat up what is won.
LEAST_CHANNELS = 16


def suits_winograd(conv: Windows, operands: Operands, output: Value) -> bool:
    """Is a convolution by constant weights [O, *kernel, I] exact and worth it this way?

    Sizes that are not known are taken for large.
    """
    channels, features = operands.left.shape[-1], output.shape[-1]
    if operands.right.shape[1:-1] != (WINDOW, WINDOW) or conv.group != 1 or any(step != 1 for step in conv.strides):
        return False
    if not isinstance(channels, int) or not isinstance(features, int) or channels % HALVES:
        return False
    if not LEAST_CHANNELS <= channels <= MOST_CHANNELS or features < LEAST_CHANNELS:
        return False
    if not all(isinstance(size, int) for size in output.shape[1:-1]):
        return max(conv.dilations) <= MOST_DILATION
    return leaves_few_products(conv, SMALL, output, TILE_ROWS)


def lower_integer_winograd(
    conv: Windows, lowering: Lowering, operands: Operands, begins: Sequence[Dim], output: Value, to: DType
) -> None:
    """The step of a convolution that suits; `begins` are the lines and columns of zero points before the picture."""
    channels, features = operands.left.shape[-1], output.shape[-1]
    assert isinstance(channels, int) and isinstance(features, int)
    pairs = channels // 2
    cut = cut_into_tiles(conv, lowering, SMALL, operands.left, output, begins, room=pairs, depth=pairs)
    finish = finish_operands(lowering, operands, to, WINDOW * WINDOW * channels)
    zero = operands.left_zero
    constants = (operands.right,) if operands.right_zero is None else (operands.right, operands.right_zero)
    shape = (SMALL.positions, -(-features // TILE_COLUMNS), pairs, TILE_COLUMNS)
    pack = Packing("winograd filters in pairs")
    buffers = {
        "b": lowering.weight(constants, "winograd's in pairs", shape, pack, int32),
        "a": lowering.scratch(int32, cut.room),
        "products": lowering.scratch(int32, cut.products_room),
        **cut.pictures,
        **finish.buffers,
    }
    buffers |= {} if zero is None else {"x_zero": lowering.place(zero)}
    kernel = integer_winograd(operands.left.dtype.name, finish.finish, zero=zero is not None)
    lowering.step(kernel, buffers, cut.words, cut.items)


@packing("winograd filters in pairs")
def _winograd_filters_in_pairs(weights: Numbers, *zero: Numbers) -> Numbers:
    return pack_filter_pairs(without_zero_of_filters(weights, *zero))
