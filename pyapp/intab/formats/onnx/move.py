"""Operators that move elements and compute nothing."""

from intab.formats.onnx.call import Call
from intab.formats.onnx.registry import onnx_op
from intab.graph.dims import Dim
from intab.graph.ir import Value

_PAD_MODES = ("constant", "reflect", "edge", "wrap")


@onnx_op("Transpose", since=1)
def transpose(call: Call, x: Value) -> Value:
    perm = call.axes(call.integers("perm", tuple(reversed(range(x.rank)))), x.rank)
    return call.result("Transpose", x, perm=perm)


@onnx_op("Concat", since=1)
def concat(call: Call, first: Value, *others: Value) -> Value:
    if any(value is None for value in others):
        raise call.malformed("an input is absent")
    # Only opset 1 to 3 have a default.
    axis = call.axis(call.integer("axis", 1 if call.opset < 4 else None), first.rank)
    return call.result("Concat", first, *others, axis=axis) if others else first


@onnx_op("Expand", since=8)
def expand(call: Call, x: Value, shape: Value) -> Value:
    return call.result("Expand", x, shape=call.known_sizes(shape, "the new shape"))


@onnx_op("Tile", since=6)
def tile(call: Call, x: Value, repeats: Value) -> Value:
    """[a, b] * [r, s]: reshape to [1, a, 1, b], expand to [r, a, s, b], reshape to [r*a, s*b]"""
    counts = call.known_sizes(repeats, "the repeats")
    if len(counts) != x.rank or any(isinstance(count, int) and count < 0 for count in counts):
        raise call.malformed(f"the repeats {list(counts)} do not fit an input of {x.rank} axes")
    spread = tuple(dim for size in x.shape for dim in (1, size))
    full = tuple(dim for count, size in zip(counts, x.shape, strict=True) for dim in (count, size))
    copies = call.part("Expand", call.part("Reshape", x, shape=spread), shape=full)
    return call.result("Reshape", copies, shape=tuple(c * s for c, s in zip(counts, x.shape, strict=True)))


@onnx_op("Pad", since=11)
def pad(call: Call, x: Value, pads: Value, value: Value | None = None, axes: Value | None = None) -> Value:
    amounts = call.known_sizes(pads, "the pads")
    chosen = tuple(range(x.rank)) if axes is None else call.axes(call.known_ints(axes, "the axes"), x.rank)
    number = 0 if value is None else call.known_scalar(value, "the value to pad with")
    return _pad(call, x, chosen, amounts, float(number))


@onnx_op("Pad", since=1)
def pad_by_attributes(call: Call, x: Value) -> Value:
    name = "pads" if call.opset >= 2 else "paddings"
    return _pad(call, x, tuple(range(x.rank)), call.integers(name), call.number("value", 0.0))


def _pad(call: Call, x: Value, axes: tuple[int, ...], amounts: tuple[Dim, ...], value: float) -> Value:
    if len(amounts) != 2 * len(axes):
        raise call.malformed(f"{len(amounts)} pads are given for {len(axes)} axes")
    mode = call.choice("mode", _PAD_MODES, "constant")
    pads: list[Dim] = [0] * (2 * x.rank)
    for index, axis in enumerate(axes):
        pads[axis], pads[x.rank + axis] = amounts[index], amounts[len(axes) + index]
    if mode != "constant" and any(isinstance(pad, int) and pad < 0 for pad in pads):
        x, pads = _cut(call, x, pads)
    return call.result("Pad", x, pads=tuple(pads), value=value, mode=mode)


def _cut(call: Call, x: Value, pads: list[Dim]) -> tuple[Value, list[Dim]]:
    """x without what negative pads cut off, and the pads that are left."""
    away = [-pad if isinstance(pad, int) and pad < 0 else 0 for pad in pads]
    begins, ends = away[: x.rank], away[x.rank :]
    sizes = tuple(size - begin - end for size, begin, end in zip(x.shape, begins, ends, strict=True))
    inner = call.part("Slice", x, starts=tuple(begins), sizes=sizes, steps=(1,) * x.rank)
    return inner, [0 if cut else pad for pad, cut in zip(pads, away, strict=True)]


@onnx_op("Gather", since=1)
def gather(call: Call, x: Value, indices: Value) -> Value:
    return call.result("Gather", x, indices, axis=call.axis(call.integer("axis", 0), x.rank))


@onnx_op("GatherND", since=11)
def gather_nd(call: Call, x: Value, indices: Value) -> Value:
    return call.result("GatherND", x, indices, batch_dims=call.integer("batch_dims", 0))


@onnx_op("GatherElements", since=11)
def gather_elements(call: Call, x: Value, indices: Value) -> Value:
    """Along the other axes there may be fewer indices than elements: the first ones count."""
    axis = call.axis(call.integer("axis", 0), x.rank)
    if indices.rank != x.rank:
        raise call.malformed(f"its indices have {indices.rank} axes where its input has {x.rank}")
    sizes = tuple(x.shape[i] if i == axis else indices.shape[i] for i in range(x.rank))
    if any(isinstance(size, int) and size != whole for size, whole in zip(sizes, x.shape, strict=True)):
        x = call.part("Slice", x, starts=(0,) * x.rank, sizes=sizes, steps=(1,) * x.rank)
    return call.result("GatherElements", x, indices, axis=axis)


@onnx_op("ScatterElements", since=11)
@onnx_op("Scatter", since=9)
def scatter_elements(call: Call, x: Value, indices: Value, updates: Value) -> Value:
    axis = call.axis(call.integer("axis", 0), x.rank)
    for i, (size, count) in enumerate(zip(x.shape, indices.shape, strict=False)):
        if i != axis and isinstance(size, int) and isinstance(count, int) and size != count:
            raise call.unsupported(f"it updates {count} of {size} elements along axis {i}, not all")
    return call.result("ScatterElements", x, indices, updates, axis=axis, reduction=call.text("reduction", "none"))


@onnx_op("ScatterND", since=11)
def scatter_nd(call: Call, x: Value, indices: Value, updates: Value) -> Value:
    return call.result("ScatterND", x, indices, updates, reduction=call.text("reduction", "none"))


@onnx_op("DepthToSpace", since=1)
def depth_to_space(call: Call, x: Value) -> Value:
    """[N, b*b*C, H, W] -> [N, C, b*H, b*W]; "CRD" takes the channels as C*b*b"""
    batch, channels, height, width, block = _blocks(call, x)
    mode = call.choice("mode", ("DCR", "CRD"), "DCR")
    depth = _exact_divide(call, channels, block * block)
    if mode == "DCR":
        split = call.part("Reshape", x, shape=(batch, block, block, depth, height, width))
        moved = call.part("Transpose", split, perm=(0, 3, 4, 1, 5, 2))
    else:
        split = call.part("Reshape", x, shape=(batch, depth, block, block, height, width))
        moved = call.part("Transpose", split, perm=(0, 1, 4, 2, 5, 3))
    return call.result("Reshape", moved, shape=(batch, depth, height * block, width * block))


@onnx_op("SpaceToDepth", since=1)
def space_to_depth(call: Call, x: Value) -> Value:
    """[N, C, b*H, b*W] -> [N, b*b*C, H, W]; "CRD" orders the channels as C*b*b"""
    batch, channels, height, width, block = _blocks(call, x)
    rows, columns = _exact_divide(call, height, block), _exact_divide(call, width, block)
    split = call.part("Reshape", x, shape=(batch, channels, rows, block, columns, block))
    mode = call.choice("mode", ("DCR", "CRD"), "DCR")
    moved = call.part("Transpose", split, perm=(0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4))
    return call.result("Reshape", moved, shape=(batch, channels * (block * block), rows, columns))


def _blocks(call: Call, x: Value) -> tuple[Dim, Dim, Dim, Dim, int]:
    if x.rank != 4:
        raise call.malformed(f"its input has {x.rank} axes, but four are expected")
    block = call.integer("blocksize")
    if block < 1:
        raise call.malformed(f"attribute 'blocksize' is {block}, but 1 or more is expected")
    batch, channels, height, width = x.shape
    return batch, channels, height, width, block


def _exact_divide(call: Call, size: Dim, divisor: int) -> Dim:
    if isinstance(size, int) and size % divisor:
        raise call.malformed(f"a size of {size} does not divide by {divisor}")
    return size // divisor
