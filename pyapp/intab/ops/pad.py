"""Borders around tensors."""

from typing import Literal

import numpy as np

from intab.errors import DTypeError, KernelError, ShapeError, UnsupportedOpError
from intab.graph.dims import Dim, Shape, dense_strides, product
from intab.graph.ir import Value
from intab.kernels.families import move as family
from intab.ops.arrays import Numbers, pad_constant
from intab.ops.broadcast import NO_PAIRS, at_most, numbers, shape_text
from intab.ops.intervals import Interval, exactly, hull
from intab.ops.items import item_width, pieces
from intab.ops.kernel_steps import checked, copy_step, moved, tensor_work, value_word
from intab.ops.lowering import Lowering, Place
from intab.ops.registry import Result, op
from intab.ops.strides import offset_of

# Its size, the elements before it, and its size with them and those behind it.
_Axis = tuple[Dim, Dim, Dim]
_MODES = ("constant", "reflect", "edge", "wrap")


@op("Pad")
class Pad:
    """x with a border: `pads` elements (all begins, then all ends) of `value`, reflected, of the edge's element, or of
    x once more ("wrap").

    Negative pads cut off; only mode "constant" takes them. Source: ONNX Pad-19.
    """

    pads: tuple[Dim, ...]
    value: float = 0.0
    mode: str = "constant"

    def infer(self, x: Value) -> Result:
        if len(self.pads) != 2 * x.rank:
            raise ShapeError(f"Pad of {x} needs {2 * x.rank} pads, not {shape_text(self.pads)}.")
        if self.mode not in _MODES:
            raise UnsupportedOpError(f"Pad with mode {self.mode!r} is not supported; there are {', '.join(_MODES)}.")
        if x.dtype.kind == "string":
            raise DTypeError(f"Pad takes numbers, not {x}.")
        shape, pairs = [], NO_PAIRS
        for i, dim in enumerate(x.shape):
            begin, end = self.pads[i], self.pads[x.rank + i]
            self._check_axis(x, dim, (begin, end))
            shape.append(dim + begin + end)
            for pad in (begin, end):
                needed = self._needed(pad)
                pairs += at_most(needed, dim) if needed != 0 else ()
        return Result(x.dtype, tuple(shape), equal=tuple(dict.fromkeys(pairs)))

    def _needed(self, pad: Dim) -> Dim:
        """How many elements there must be for a border: a reflection has none beyond the other end."""
        if pad == 0:
            return 0
        return {"constant": 0, "reflect": pad + 1, "edge": 1, "wrap": pad}[self.mode]

    def _check_axis(self, x: Value, dim: Dim, pads: tuple[Dim, Dim]) -> None:
        size = dim + pads[0] + pads[1]
        bad = isinstance(size, int) and size < 0
        for pad in pads:
            if self.mode != "constant":
                room = dim - self._needed(pad)
                bad = bad or (isinstance(pad, int) and pad < 0) or (isinstance(room, int) and room < 0)
        if bad:
            raise ShapeError(f"Pad of {x} by {pads[0]} and {pads[1]} with mode {self.mode!r} along an axis of {dim}.")

    def reference(self, x: Numbers) -> Numbers:
        pads = numbers(self.pads)
        if self.mode == "constant":
            return pad_constant(x, pads, x.dtype.type(self.value))
        widths = list(zip(pads[: x.ndim], pads[x.ndim :], strict=True))
        modes: dict[str, Literal["reflect", "edge", "wrap"]] = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}
        return np.asarray(np.pad(x, widths, mode=modes[self.mode]))

    def bounds(self, inputs: tuple[Value, ...], given: tuple[Interval, ...]) -> Interval:
        around = exactly(int(self.value)) if self.mode == "constant" else given[0]
        return hull((given[0], around))

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (x,), (y,) = inputs, outputs
        target = lowering.place(y)
        if self.mode == "constant":
            constant_border(lowering, lowering.place(x), x.shape, self.pads, self.value, target)
            return
        if not lowering.target.may_alias:
            _border_step(lowering, lowering.place(x), x.shape, self.pads, self.mode, target)
            return
        inside = moved(target, offset_of(self.pads[: x.rank], dense_strides(y.shape)))
        copy_step(lowering, lowering.place(x), dense_strides(x.shape), inside, dense_strides(y.shape), x.shape)
        self._borders(lowering, target, x.shape, y.shape)

    def _borders(self, lowering: Lowering, target: Place, inner: Shape, outer: Shape) -> None:
        """Fill the borders axis by axis from what lies inside them already; earlier axes are whole by then."""
        strides, rank = dense_strides(outer), len(inner)
        begins = list(self.pads[:rank])
        for axis in range(rank):
            begin, end = self.pads[axis], self.pads[rank + axis]
            last = inner[axis] - 1
            # Where a border's source begins, seen from the border's own edge, and how it goes on while that runs out.
            from_edge, along = {"reflect": (1, -1), "edge": (0, 0), "wrap": (last, 1)}[self.mode]
            places = [0 if i <= axis else begins[i] for i in range(rank)]
            # Each border runs outwards from the picture's edge.
            for pad, first, from_, out in (
                (begin, begin - 1, begin + from_edge, -strides[axis]),
                (end, begin + inner[axis], begin + last - from_edge, strides[axis]),
            ):
                sizes = tuple(outer[i] if i < axis else inner[i] if i > axis else pad for i in range(rank))
                source_strides = tuple(s if i != axis else out * along for i, s in enumerate(strides))
                target_strides = tuple(s if i != axis else out for i, s in enumerate(strides))
                if pad != 0:
                    at = offset_of([from_ if i == axis else p for i, p in enumerate(places)], strides)
                    to = offset_of([first if i == axis else p for i, p in enumerate(places)], strides)
                    copy_step(lowering, moved(target, at), source_strides, moved(target, to), target_strides, sizes)


def _border_step(lowering: Lowering, source: Place, shape: Shape, pads: Shape, mode: str, target: Place) -> None:
    """The tensor of `shape` at `source` with a border that `mode` makes of it, all from what is read."""
    axes: list[_Axis] = []
    plain = False
    for size, begin, end in zip(shape, pads[: len(shape)], pads[len(shape) :], strict=True):
        without = begin == 0 and end == 0
        if axes and plain and without:
            axes[-1] = (axes[-1][0] * size, 0, axes[-1][2] * size)
        else:
            axes.append((size, begin, size + begin + end))
        plain = without
    width = item_width(lowering, axes[-1][2], (source, target)) if plain else 1
    words: dict[str, Dim | float] = {}
    for i, (size, before, out) in enumerate(axes):
        words |= {f"size_{i}": size, f"before_{i}": before, f"out_{i}": out}
    kernel = family.border(checked(source.dtype).name, len(axes), mode, width=width)
    made = tuple(out for _, _, out in axes)
    work = tensor_work((0,), (source, shape), (target, made))
    lowering.step(kernel, {"x": source, "y": target}, words, product(made[:-1]) * pieces(made[-1], width), work=work)


def constant_border(lowering: Lowering, source: Place, shape: Shape, pads: Shape, value: float, target: Place) -> None:
    """The tensor of `shape` at `source` with a border of one number. Negative pads cut off.

    One kernel; an axis without a border counts as part of the axis before it.
    """
    axes = _merged(shape, pads)
    rank, sizes = len(axes), tuple(size for size, _, _ in axes)
    words: dict[str, Dim | float] = {"value": value_word(source.dtype, value)}
    for i, (size, before, out) in enumerate(axes):
        words |= {f"size_{i}": size, f"before_{i}": before, f"out_{i}": out}
    words |= {f"stride_{i}": stride for i, stride in enumerate(dense_strides(sizes)[:-1])}
    width = item_width(lowering, axes[-1][2], (source, target), axes[-1][:2])
    kernel = family.pad(checked(source.dtype).name, rank, lanes=lowering.target.lanes, width=width)
    work = tensor_work((0,), (source, sizes), (target, tuple(out for _, _, out in axes)))
    items = product(out for _, _, out in axes[:-1]) * pieces(axes[-1][2], width)
    lowering.step(kernel, {"x": source, "y": target}, words, items, work=work)


def zero_border(lowering: Lowering, target: Place, shape: Shape, pads: Shape) -> None:
    """Zeros around a tensor of `shape` at `target`, which has room for them. At most two axes have a border."""
    one: _Axis = (1, 0, 1)
    *outer, lines, line = one, one, *_merged(shape, pads)
    if any(before != 0 or out != size for size, before, out in outer):
        raise KernelError(f"A border of {shape_text(pads)} has no kernel: it lies around more than two axes.")
    words: dict[str, Dim | float] = {}
    for i, (size, before, out) in enumerate((lines, line)):
        words |= {f"size_{i}": size, f"before_{i}": before, f"out_{i}": out}
    width = item_width(lowering, line[2], (target,), line[:2])
    kernel = family.frame(checked(target.dtype).name, lanes=lowering.target.lanes, width=width)
    pictures = product(size for size, _, _ in outer)
    around = lines[2] * line[2] - lines[0] * line[0]
    work = tensor_work((0,), (target, (pictures, around)))
    lowering.step(kernel, {"y": target}, words, pictures * lines[2] * pieces(line[2], width), work=work)


def _merged(shape: Shape, pads: Shape) -> list[_Axis]:
    """(size, elements before, size with border) of each axis; those without a border are part of the one before."""
    axes: list[_Axis] = []
    for size, begin, end in zip(shape, pads[: len(shape)], pads[len(shape) :], strict=True):
        if axes and begin == 0 and end == 0:
            inner, before, outer = axes[-1]
            axes[-1] = (inner * size, before * size, outer * size)
        else:
            axes.append((size, begin, size + begin + end))
    return axes or [(1, 0, 1)]
