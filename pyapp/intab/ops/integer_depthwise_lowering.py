"""Integer convolution where every channel has its own window: two lines of the window at a time, in pairs."""

import math

import numpy as np

from intab.dtypes import DType, int32
from intab.graph.dims import Dim
from intab.kernels.families.depthwise import Window
from intab.kernels.families.integer_depthwise import integer_depthwise
from intab.kernels.families.pair_lines import pair_lines
from intab.ops.arrays import Numbers
from intab.ops.conv_geometry import Geometry
from intab.ops.integer_dense import Operands, finish_operands, without_zero_of_filters
from intab.ops.kernel_steps import tensor_work
from intab.ops.lowering import Lowering, Place
from intab.ops.packing import Packing, packing


def lower_integer_depthwise(
    lowering: Lowering, g: Geometry, operands: Operands, pads: tuple[Dim, Dim, Dim, Dim], out: Place, to: DType
) -> None:
    """Steps of a depthwise convolution with constant weights; pads are those above, left, below and right."""
    picture = _in_pairs(lowering, g, operands, pads)
    window = Window(*g.kernel, stride=g.strides[1], dilation=g.dilations[1], pairs=True)
    constants = (operands.right,) if operands.right_zero is None else (operands.right, operands.right_zero)
    pack = Packing("taps in pairs", g.kernel)
    weights = lowering.weight(constants, "taps in pairs", (window.lines * window.width, g.channels), pack, int32)
    words: dict[str, Dim | float] = {"channels": g.channels, "out_width": g.out_width, "out_height": g.out_height}
    words |= {"line_step": g.strides[0] * g.line, "image_step": g.height * g.line}
    words["tap_step"] = 2 * g.dilations[0] * g.line
    line = g.out_width * g.channels
    words |= {"pixel": g.channels, "out_pixel": g.channels, "out_line": line, "out_image": g.out_height * line}
    buffers, items = {"a": picture, "w": weights}, g.images * g.out_height
    finish = finish_operands(lowering, operands, to, math.prod(g.kernel))
    kernel = integer_depthwise(window, finish.finish)
    shape, taps = (g.rows, g.channels), (window.lines, window.width, g.channels)
    read = (picture, (g.images, g.height, g.line)), (weights, taps)
    work = tensor_work((2, *shape, math.prod(g.kernel)), *read, (out, shape))
    lowering.step(kernel, {**buffers, **finish.buffers, "out": out}, words, items, work=work)


def _in_pairs(lowering: Lowering, g: Geometry, operands: Operands, pads: tuple[Dim, Dim, Dim, Dim]) -> Place:
    """The picture without its zero point, with zeros around it, each element with that of the next window line."""
    top, left, bottom, right = pads
    lines = g.images * g.height
    larger = lowering.scratch(int32, lines * g.line)
    x, zero = lowering.place(operands.left), operands.left_zero
    words: dict[str, Dim | float] = {"height": g.height - top - bottom, "line": (g.width - left - right) * g.channels}
    words |= {"out_height": g.height, "out_line": g.line, "top": top, "left": left * g.channels}
    words["apart"] = g.dilations[0]
    buffers = {"x": x, "out": larger} | ({} if zero is None else {"zero": lowering.place(zero)})
    work = tensor_work((0,), (x, operands.left.shape), (larger, (lines, g.line)))
    lowering.step(pair_lines(x.dtype.name, zero=zero is not None), buffers, words, lines, work=work)
    return larger


@packing("taps in pairs")
def _taps_in_pairs(weights: Numbers, *others: Numbers | int) -> Numbers:
    """[channels, height, width, 1] as pairs of window lines [ceil(height / 2) * width, channels]; a zero point may
    come before the window's height and width."""
    *zero, height, width = others
    taps = without_zero_of_filters(weights, *(z for z in zero if isinstance(z, np.ndarray)))
    lines = taps.reshape(len(weights), int(height), int(width))
    even = np.pad(lines, ((0, 0), (0, lines.shape[1] % 2), (0, 0))).astype(np.int16)
    pairs = even.reshape(len(weights), -1, 2, int(width)).transpose(1, 3, 0, 2)
    return np.ascontiguousarray(pairs).view(np.int32).reshape(-1, len(weights))
