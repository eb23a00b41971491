"""Depthwise convolutions over pictures for GPUs."""

from dataclasses import replace

from intab.graph.dims import Dim, ceil_div
from intab.kernels.families.grid_depthwise import WindowAxis, grid_depthwise
from intab.ops.conv_geometry import Geometry
from intab.ops.dense import EpilogueOperands
from intab.ops.grid_shapes import on_cpu
from intab.ops.items import item_width, pieces
from intab.ops.lowering import Lowering, Place, Work
from intab.ops.pictures import Margin, Picture
from intab.target import Target

# Output pixels of a block along a line, and the lines that it may have.
PIXELS, LINES = 4, (4, 2, 1)
# Sums and weights that an invocation of a GPU had better not exceed, in vectors of four.
MOST_VECTORS = 32
# Multiply-adds that are written down: more take long to compile and little less time to run.
MOST_PRODUCTS = 1024


def lower_grid_depthwise(
    lowering: Lowering,
    g: Geometry,
    picture: Picture,
    weights: Place,
    operands: EpilogueOperands,
    out: Picture,
    work: Work,
    margin: Margin | None,
) -> None:
    """The step of a depthwise convolution over pictures of one plane, padded or with a `margin` that only windows see;
    `weights` [taps, channels]."""
    steps: dict[str, Dim] = {"line": picture.line, "pixel": picture.pixel, "image": picture.image}
    steps |= {"out_line": out.line, "out_pixel": out.pixel, "out_image": out.image}
    lying, strides = operands.by_column()
    width = item_width(lowering, g.channels, (picture.place, out.place, *lying), (*steps.values(), *strides))
    lines, pixels = _block(lowering.target, g)
    tiles = ceil_div(g.out_height, lines.places), ceil_div(g.out_width, pixels.places)
    lowering.step(
        grid_depthwise(lines, pixels, operands.epilogue, guarded=margin is not None, width=width),
        {"a": picture.place, "w": weights, "out": out.place, **operands.buffers},
        {
            "channels": g.channels,
            "out_height": g.out_height,
            "out_width": g.out_width,
            "lines_size": margin.sizes[1] if margin else _seen(lines, g.out_height),
            "lines_before": margin.begins[1] if margin else 0,
            "pixels_size": margin.sizes[2] if margin else _seen(pixels, g.out_width),
            "pixels_before": margin.begins[2] if margin else 0,
            **steps,
            **operands.words,
        },
        g.images * pieces(g.channels, width, *tiles),
        work=work,
    )


def _seen(axis: WindowAxis, out: Dim) -> Dim:
    """The elements of an axis that `out` windows see."""
    return (out - 1) * axis.stride + (axis.taps - 1) * axis.dilation + 1


def _block(target: Target, g: Geometry) -> tuple[WindowAxis, WindowAxis]:
    """The window's lines and pixels, with as many places as a block has."""
    (taps_y, taps_x), (stride_y, stride_x), (dilation_y, dilation_x) = g.kernel, g.strides, g.dilations
    places_x = _places(g.out_width, (PIXELS, 2, 1))
    pixels = WindowAxis(taps_x, places_x, stride_x, dilation_x)
    lines = WindowAxis(taps_y, 1, stride_y, dilation_y)

    def fits(places: int) -> bool:
        products = taps_y * taps_x * places * places_x
        vectors = places * places_x + min(places, taps_y) * taps_x
        return products <= MOST_PRODUCTS and (on_cpu(target) or vectors <= MOST_VECTORS)

    allowed = tuple(places for places in LINES if places == 1 or fits(places))
    return replace(lines, places=_places(g.out_height, allowed)), pixels


def _places(size: Dim, choices: tuple[int, ...]) -> int:
    """The most places that are not more than there are."""
    return next((places for places in choices if not isinstance(size, int) or places <= size), 1)
