"""Convolutions for GPUs: windows of a padded NHWC picture as the left side of a product."""

from dataclasses import dataclass

from intab.graph.dims import Dim
from intab.graph.ir import Value
from intab.kernels.families.grid_left import (
    BEFORE,
    PIXEL_COUNTS,
    TAP_COUNTS,
    TAP_STEPS,
    axis_of,
    pixel_steps,
    spaced_steps,
)
from intab.ops.conv_geometry import FLAT, Geometry
from intab.ops.dense import EpilogueOperands
from intab.ops.grid_dense import LeftRows, OutRows, RightLines, computed_lines, filter_lines, product_step
from intab.ops.lowering import Lowering, Work
from intab.ops.pictures import Margin, Picture


def lower_grid_conv(
    lowering: Lowering,
    g: Geometry,
    picture: Picture,
    w: Value,
    operands: EpilogueOperands,
    out: Picture,
    work: Work,
    margin: Margin | None = None,
) -> None:
    """The step of a convolution whose channels are not each by themselves; the groups are batches.

    A picture has its border, or a `margin` where windows guard themselves.
    """
    depth, columns = g.taps * (g.channels // g.group), g.features // g.group
    product_step(
        lowering,
        _rows_of(g, picture, margin, spaced=out.row is None),
        _filters(lowering, g, w, depth, columns),
        _result(g, out, columns),
        operands,
        sizes=(g.group, g.rows, depth, columns),
        bias_batch=columns,
        likely_rows=g.depth.out * g.out_height * g.out_width,  # of one picture
        work=work,
    )


def _rows_of(g: Geometry, picture: Picture, margin: Margin | None, *, spaced: bool) -> LeftRows:
    """A row for each output pixel: rows of a matrix where windows are single pixels side by side."""
    run, taps = _taps(g, picture, margin)
    steps: dict[str, Dim] = {"a_batch": g.channels // g.group}
    plain = g.taps == 1 and g.strides == (1, 1) and g.depth.stride == 1
    if plain and picture.row is not None and not spaced and margin is None:
        return LeftRows(picture.place, run, {**steps, "a_row": picture.row})
    levels = 2 if g.depth is FLAT else 3
    apart = [g.strides[1] * picture.pixel, g.strides[0] * picture.line, g.depth.stride * picture.plane][:levels]
    steps |= dict(zip(pixel_steps(levels), (*apart, picture.image), strict=True))
    line = g.out_width
    plane = line * g.out_height
    counts: dict[str, Dim] = dict(zip(PIXEL_COUNTS, (line, plane, plane * g.depth.out)[:levels], strict=False))
    steps |= dict(zip(TAP_STEPS, (level.step for level in taps), strict=False))
    counts |= dict(zip(TAP_COUNTS[: len(taps)], (run, *(level.taps for level in taps)), strict=False))
    guards: list[tuple[int, int]] = []
    if margin is not None:
        walked = [level.number for level in taps]
        strides, dilations = (*g.strides[::-1], g.depth.stride), (*g.dilations[::-1], g.depth.dilation)
        for level in range(levels):
            if margin.around(axis_of(level)):
                guards.append((level, walked.index(level) if level in walked else -1))
                counts |= margin.words(axis_of(level), strides[level], dilations[level])
        steps[BEFORE] = margin.before(picture)
    return LeftRows(picture.place, run, steps, counts, levels, len(taps), tuple(guards))


@dataclass(frozen=True, slots=True)
class _Level:
    """Taps of a window along a level of pixels (of a line, of lines, of planes), and how far apart they lie."""

    number: int
    taps: int
    step: Dim


def _taps(g: Geometry, picture: Picture, margin: Margin | None) -> tuple[Dim, list[_Level]]:
    """The depths that lie side by side, and each level of the window that is left then."""
    run: Dim = g.channels // g.group
    (taps_y, taps_x), (dilation_y, dilation_x) = g.kernel, g.dilations
    levels = [
        _Level(0, taps_x, dilation_x * picture.pixel),
        _Level(1, taps_y, dilation_y * picture.line),
        _Level(2, g.depth.kernel, g.depth.dilation * picture.plane),
    ]
    levels = [level for level in levels if level.taps > 1]
    while levels and levels[0].step == run and (margin is None or not margin.around(axis_of(levels[0].number))):
        run = run * levels.pop(0).taps  # neighbours lie side by side: one run for all of a level
    return run, levels


def _result(g: Geometry, out: Picture, columns: int) -> OutRows:
    if out.row is not None:
        return OutRows(out.place, {"out_row": out.row, "out_batch": columns})
    levels = 2 if g.depth is FLAT else 3
    apart = (*(out.pixel, out.line, out.plane)[:levels], out.image)
    return OutRows(
        out.place, {**dict(zip(spaced_steps(levels), apart, strict=True)), "out_batch": columns}, spaced=True
    )


def _filters(lowering: Lowering, g: Geometry, w: Value, depth: int, columns: int) -> RightLines:
    if lowering.constant(w) is not None:
        return filter_lines(lowering, w, g.group, depth, columns)
    source, strides = lowering.place(w), (columns * depth, 1, depth)
    return computed_lines(lowering, source, batches=g.group, depth=depth, columns=columns, strides=strides)
