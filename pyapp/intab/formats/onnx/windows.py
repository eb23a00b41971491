"""Windows that slide over a picture: sizes, strides and paddings of convolutions and poolings."""

from dataclasses import dataclass

from intab.formats.onnx.call import Call
from intab.graph.dims import Dim, ceil_div, maximum
from intab.graph.ir import Value

_AUTO_PADS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


@dataclass(frozen=True, slots=True)
class Window:
    """One entry for each spatial axis; `pads` holds all begins, then all ends."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[Dim, ...]
    is_same: bool

    @property
    def extents(self) -> tuple[int, ...]:
        """How far a dilated window reaches along each axis."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))


def read_window(call: Call, x: Value, kernel: tuple[int, ...] | None = None) -> Window:
    """The window of a node over x [N, C, *spatial].

    `kernel` is known from the weights of a convolution; the attribute must not say otherwise.
    """
    if x.rank < 3:
        raise call.malformed(f"its input has {x.rank} axes, but batch, channel and at least one more are expected")
    rank = x.rank - 2
    kernel = _positive(call, "kernel_shape", kernel, rank)
    strides = _positive(call, "strides", None if call.has("strides") else (1,) * rank, rank)
    dilations = _positive(call, "dilations", None if call.has("dilations") else (1,) * rank, rank)
    auto_pad = call.choice("auto_pad", _AUTO_PADS, "NOTSET")
    pads = call.integers("pads", (0,) * (2 * rank))
    if len(pads) != 2 * rank or min(pads) < 0:
        raise call.malformed(f"attribute 'pads' is {list(pads)}, but {2 * rank} numbers of 0 or more are expected")
    window = Window(kernel, strides, dilations, pads, is_same=auto_pad.startswith("SAME"))
    if auto_pad == "NOTSET":
        return window
    if any(pads):
        raise call.malformed(f"it has both pads {list(pads)} and auto_pad {auto_pad}")
    if auto_pad == "VALID":
        return window
    totals = [_same_padding(*of_axis) for of_axis in zip(x.shape[2:], window.extents, strides, strict=True)]
    return Window(kernel, strides, dilations, split_padding(totals, more_at_end=auto_pad == "SAME_UPPER"), is_same=True)


def split_padding(totals: list[Dim], *, more_at_end: bool) -> tuple[Dim, ...]:
    """Begins and ends of paddings; the odd element goes to one side."""
    halves = [total // 2 for total in totals]
    others = [total - half for total, half in zip(totals, halves, strict=True)]
    return (*halves, *others) if more_at_end else (*others, *halves)


def spatial_sizes(call: Call, weights: Value) -> tuple[int, ...]:
    """The kernel that weights [O, I, *kernel] hold."""
    return call.fixed_shape(weights.shape[2:], "the kernel")


def _same_padding(size: Dim, extent: int, stride: int) -> Dim:
    """Padding that makes the result ceil(size / stride) long."""
    total = (ceil_div(size, stride) - 1) * stride + extent - size
    # ceil(size / stride) * stride is size at least, so a window no shorter than its stride never gives less than 0.
    return total if extent >= stride else maximum(total, 0)


def _positive(call: Call, name: str, known: tuple[int, ...] | None, rank: int) -> tuple[int, ...]:
    """An attribute with a number of 1 or more for each axis. `known` is its default, and what it must agree with."""
    values = call.integers(name, known)
    if len(values) != rank or min(values) < 1:
        raise call.malformed(f"{name!r} is {list(values)}, but {rank} numbers of 1 or more are expected")
    if known is not None and values != known:
        raise call.malformed(f"attribute {name!r} is {list(values)}, but the weights have {list(known)}")
    return values
