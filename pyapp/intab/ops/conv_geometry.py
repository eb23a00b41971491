"""A convolution in numbers: what its lowerings, of floats and of integers, have in common."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from intab.errors import UnsupportedOpError
from intab.graph.dims import Dim, Shape
from intab.graph.ir import Graph, Value

_Size = TypeVar("_Size")

# Unrolled windows larger than this make kernels that are slow to compile.
MAXIMUM_UNROLLED_TAPS = 49


@dataclass(frozen=True, slots=True)
class Depth:
    """The first of three spatial axes: its sizes in the padded picture, the window and the result."""

    size: Dim = 1
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    out: Dim = 1


FLAT = Depth()


@dataclass(frozen=True, slots=True)
class Geometry:
    """A convolution in numbers and dims: sizes of the padded picture, the window and the result.

    The picture is a plane, or with a `depth` a run of planes.
    """

    images: Dim
    height: Dim
    width: Dim
    channels: int
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    out_height: Dim
    out_width: Dim
    features: int
    group: int
    depth: Depth = FLAT

    @property
    def taps(self) -> int:
        """Pixels of the window."""
        return math.prod(self.kernel) * self.depth.kernel

    @property
    def plane(self) -> Dim:
        """Elements of a plane of the padded picture."""
        return self.height * self.line

    @property
    def picture(self) -> Shape:
        """The sizes of the padded picture."""
        return (self.images, self.depth.size, self.height, self.width, self.channels)

    @property
    def is_depthwise(self) -> bool:
        """Whether each channel has a window of its own that may be part of a kernel."""
        return self.group == self.channels == self.features and self.group > 1 and self.taps <= MAXIMUM_UNROLLED_TAPS

    @property
    def line(self) -> Dim:
        """Elements of a line of the padded picture."""
        return self.width * self.channels

    @property
    def rows(self) -> Dim:
        """Output pixels in all."""
        return self.images * self.depth.out * self.out_height * self.out_width


class Windows(Protocol):
    """The windows of a convolution, of floats or of integers."""

    @property
    def strides(self) -> tuple[int, ...]: ...
    @property
    def pads(self) -> tuple[Dim, ...]: ...
    @property
    def dilations(self) -> tuple[int, ...]: ...
    @property
    def group(self) -> int: ...


class Convolution(Windows, Protocol):
    """What lowering reads of a Conv."""

    @property
    def layout(self) -> str: ...
    @property
    def epilogue(self) -> Graph | None: ...


def geometry_of(conv: Windows, x: Value, w: Value, output: Value) -> Geometry:
    """A convolution in numbers. Raises UnsupportedOpError where weights have sizes that are not known."""
    fixed = [size for size in w.shape if isinstance(size, int)]
    if len(fixed) != w.rank:
        raise UnsupportedOpError(f"a convolution with weights {w}, whose sizes are not numbers, has no kernel.")
    features, *window, inputs = fixed
    half = len(window)
    pads = three_axes([begin + end for begin, end in zip(conv.pads[:half], conv.pads[half:], strict=True)], 0)
    sizes = [size + pad for size, pad in zip(three_axes(x.shape[1:-1], 1), pads, strict=True)]
    out = three_axes(output.shape[1:-1], 1)
    kernel, strides, dilations = (three_axes(of_axes, 1) for of_axes in (window, conv.strides, conv.dilations))
    return Geometry(
        x.shape[0],
        sizes[1],
        sizes[2],
        inputs * conv.group,
        kernel[1:],
        strides[1:],
        dilations[1:],
        out[1],
        out[2],
        features,
        conv.group,
        FLAT if half < 3 else Depth(sizes[0], kernel[0], strides[0], dilations[0], out[0]),
    )


def three_axes(values: Sequence[_Size], fill: _Size) -> tuple[_Size, _Size, _Size]:
    """What is said of one to three spatial axes, said of three: of planes, lines and pixels."""
    first, second, third = (*[fill] * (3 - len(values)), *values)
    return first, second, third
