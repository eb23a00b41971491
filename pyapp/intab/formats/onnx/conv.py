"""Convolutions."""

from intab.formats.onnx.call import Call
from intab.formats.onnx.registry import onnx_op
from intab.formats.onnx.windows import Window, read_window, spatial_sizes, split_padding
from intab.graph.dims import Dim
from intab.graph.ir import Value


@onnx_op("Conv", since=1)
def conv(call: Call, x: Value, w: Value, bias: Value | None = None) -> Value:
    check_weights(call, x, w)
    window = read_window(call, x, spatial_sizes(call, w))
    return call.result(
        "Conv",
        x,
        w,
        bias,
        strides=window.strides,
        pads=window.pads,
        dilations=window.dilations,
        group=group_of(call),
    )


@onnx_op("ConvTranspose", since=1)
def conv_transpose(call: Call, x: Value, w: Value, bias: Value | None = None) -> Value:
    check_weights(call, x, w)
    rank = x.rank - 2
    # What auto_pad means here is worked out below: it says how long the result is, not the input.
    auto_pad = call.choice("auto_pad", ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"), "NOTSET")
    window = read_window(call, x, spatial_sizes(call, w))
    output_padding = call.integers("output_padding", (0,) * rank)
    if len(output_padding) != rank or min(output_padding) < 0:
        raise call.malformed(f"attribute 'output_padding' is {list(output_padding)}, not {rank} numbers of 0 or more")
    pads = window.pads
    wanted = _wanted_sizes(call, x, window, rank)
    if wanted is not None:
        totals = _surplus(x, window, output_padding, wanted)
        # A result longer than the windows reach ends in zeros, as output_padding does.
        missing = tuple(max(-total, 0) if isinstance(total, int) else 0 for total in totals)
        output_padding = tuple(extra + more for extra, more in zip(output_padding, missing, strict=True))
        totals = [total + more for total, more in zip(totals, missing, strict=True)]
        pads = split_padding(totals, more_at_end=auto_pad == "SAME_UPPER")
    return call.result(
        "ConvTranspose",
        x,
        w,
        bias,
        strides=window.strides,
        pads=pads,
        dilations=window.dilations,
        output_padding=output_padding,
        group=group_of(call),
    )


def _wanted_sizes(call: Call, x: Value, window: Window, rank: int) -> tuple[Dim, ...] | None:
    """The result's sizes where the node states them, by `output_shape` or by SAME (stride times the input)."""
    if call.has("output_shape"):
        sizes = call.integers("output_shape")
        # Some exporters state batch and channels too.
        sizes = sizes[2:] if len(sizes) == rank + 2 else sizes
        if len(sizes) != rank or min(sizes) < 1:
            raise call.malformed(f"attribute 'output_shape' is {list(sizes)}, not {rank} numbers of 1 or more")
        return sizes
    if window.is_same:
        return tuple(size * stride for size, stride in zip(x.shape[2:], window.strides, strict=True))
    return None


def _surplus(x: Value, window: Window, output_padding: tuple[int, ...], wanted: tuple[Dim, ...]) -> list[Dim]:
    """By how much the unpadded result is longer than wanted."""
    axes = zip(x.shape[2:], window.strides, output_padding, window.extents, wanted, strict=True)
    return [stride * (size - 1) + extra + extent - goal for size, stride, extra, extent, goal in axes]


def check_weights(call: Call, x: Value, w: Value) -> None:
    """Raise ModelFormatError unless picture and weights have the same axes, three or more."""
    if w.rank != x.rank or w.rank < 3:
        raise call.malformed(f"its input has {x.rank} axes and its weights {w.rank}; both need the same, three or more")


def group_of(call: Call) -> int:
    """Into how many groups the channels are split."""
    group = call.integer("group", 1)
    if group < 1:
        raise call.malformed(f"attribute 'group' is {group}, but 1 or more is expected")
    return group
