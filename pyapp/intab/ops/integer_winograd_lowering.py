"""Which integer convolutions become Winograd's, and the step that they become."""

from collections.abc import Sequence
from typing import Any

from intab.dtypes import DType, int8, int32
from intab.graph.dims import Dim
from intab.graph.ir import Value
from intab.kernels.families.integer_tile import TILE_COLUMNS, TILE_ROWS
from intab.kernels.families.integer_winograd import HALVES, QUADS, fits, integer_winograd, pack_filter_pairs
from intab.kernels.families.winograd_transform import SMALL, WINDOW, Transform
from intab.ops.arrays import Numbers
from intab.ops.conv_geometry import Windows
from intab.ops.integer_dense import Operands, finish_operands, without_zero_of_filters
from intab.ops.kernel_steps import tensor_work
from intab.ops.lowering import Lowering
from intab.ops.packing import Packing, packing
from intab.ops.winograd_lowering import MOST_DILATION, cut_into_tiles, leaves_few_products, products_left

# Channels in and out below which the transforms eat up what is won.
LEAST_CHANNELS = 16
# The larger one first.
_TRANSFORMS = {transform.outputs: transform for transform in (QUADS, SMALL)}


def integer_transform(conv: Windows, lowering: Lowering, operands: Operands, output: Value) -> Transform | None:
    """The transform that suits a convolution of pictures by constant weights [O, *kernel, I], None where none does.

    Sizes that are not known are taken for large.
    """
    channels, features = operands.left.shape[-1], output.shape[-1]
    if operands.right.shape[1:-1] != (WINDOW, WINDOW) or conv.group != 1 or any(step != 1 for step in conv.strides):
        return None
    if not isinstance(channels, int) or not isinstance(features, int) or channels % HALVES:
        return None
    if min(channels, features) < LEAST_CHANNELS:
        return None
    largest = _largest(lowering, operands)
    exact = [transform for transform in _TRANSFORMS.values() if fits(transform, channels, largest)]
    if not all(isinstance(size, int) for size in output.shape[1:-1]):
        return exact[0] if exact and max(conv.dilations) <= MOST_DILATION else None
    exact.sort(key=lambda transform: products_left(conv, transform, output, TILE_ROWS))
    return exact[0] if exact and leaves_few_products(conv, exact[0], output, TILE_ROWS) else None


def _largest(lowering: Lowering, operands: Operands) -> int:
    """What weights of their dtype are at most, less their zero point."""
    zero = lowering.constant(operands.right_zero)
    if operands.right.dtype == int8 and (zero is None or not zero.numpy().any()):
        return 128
    return 255


def lower_integer_winograd(
    conv: Windows,
    lowering: Lowering,
    transform: Transform,
    operands: Operands,
    begins: Sequence[Dim],
    output: Value,
    to: DType,
) -> None:
    """The step of a convolution; `begins` are the lines and columns of zero points before the picture."""
    channels, features = operands.left.shape[-1], output.shape[-1]
    assert isinstance(channels, int) and isinstance(features, int)
    pairs = channels // 2
    cut = cut_into_tiles(conv, lowering, transform, operands.left, output, begins, room=pairs, depth=pairs)
    finish = finish_operands(lowering, operands, to, WINDOW * WINDOW * channels)
    zero = operands.left_zero
    constants = (operands.right,) if operands.right_zero is None else (operands.right, operands.right_zero)
    shape = (transform.positions, -(-features // TILE_COLUMNS), pairs, TILE_COLUMNS)
    pack = Packing("winograd filters in pairs", (transform.outputs,))
    buffers = {
        "b": lowering.weight(constants, f"winograd of {transform.outputs} outputs in pairs", shape, pack, int32),
        "a": lowering.scratch(int32, cut.room),
        "products": lowering.scratch(int32, cut.products_room),
        **cut.pictures,
        **finish.buffers,
    }
    buffers |= {} if zero is None else {"x_zero": lowering.place(zero)}
    kernel = integer_winograd(transform, operands.left.dtype.name, finish.finish, zero=zero is not None)
    # What the convolution is, as for floats: products that are saved are speed.
    flops = (2, *output.shape[:-1], WINDOW * WINDOW * channels, features)
    tensors = (lowering.place(operands.left), operands.left.shape), (buffers["b"], shape)
    work = tensor_work(flops, *tensors, (lowering.place(output), output.shape))
    lowering.step(kernel, buffers, cut.words, cut.items, work=work)


@packing("winograd filters in pairs")
def _winograd_filters_in_pairs(weights: Numbers, *others: Any) -> Numbers:
    """In units of the transform of so many outputs; a zero point comes before their number."""
    *zero, outputs = others
    return pack_filter_pairs(_TRANSFORMS[outputs], without_zero_of_filters(weights, *zero))
