"""Operators that read shapes or change nothing but the shape."""

from intab.formats.onnx.call import Call
from intab.formats.onnx.registry import onnx_op
from intab.graph.dims import Dim, Shape, product
from intab.graph.ir import Value
from intab.ops.move import resolve_reshape


@onnx_op("Shape", since=1)
def shape(call: Call, x: Value) -> Value:
    start, end, _ = slice(call.integer("start", 0), call.integer("end", x.rank)).indices(x.rank)
    return call.result("Shape", x, start=start, end=max(start, end))


@onnx_op("Size", since=1)
def size(call: Call, x: Value) -> Value:
    """The product of the sizes."""
    sizes = call.part("Shape", x, start=0, end=x.rank)
    return call.result("ReduceProd", sizes, axes=(0,), keepdims=False)


@onnx_op("Reshape", since=5)
def reshape(call: Call, x: Value, sizes: Value) -> Value:
    return _reshape(call, x, call.known_sizes(sizes, "the new shape"))


@onnx_op("Reshape", since=1)
def reshape_by_attribute(call: Call, x: Value) -> Value:
    call.ignore("consumed_inputs")
    return _reshape(call, x, call.integers("shape"))


def _reshape(call: Call, x: Value, wanted: tuple[Dim, ...]) -> Value:
    """0 keeps the size at its place (unless `allowzero`), -1 takes what is left."""
    allow_zero = call.flag("allowzero", default=False)
    return call.result("Reshape", x, shape=resolve_reshape(x.shape, wanted, allow_zero))


@onnx_op("Flatten", since=1)
def flatten(call: Call, x: Value) -> Value:
    """The axes before `axis` become one, and those from it on another."""
    axis = call.integer("axis", 1)
    # An axis behind the last is allowed: everything lies before it.
    axis = axis if axis == x.rank else call.axis(axis, x.rank)
    return call.result("Reshape", x, shape=(product(x.shape[:axis]), product(x.shape[axis:])))


@onnx_op("Squeeze", since=13)
def squeeze(call: Call, x: Value, axes: Value | None = None) -> Value:
    return _squeeze(call, x, None if axes is None else call.known_ints(axes, "the axes"))


@onnx_op("Squeeze", since=1)
def squeeze_by_attribute(call: Call, x: Value) -> Value:
    return _squeeze(call, x, call.integers("axes") if call.has("axes") else None)


def _squeeze(call: Call, x: Value, axes: tuple[int, ...] | None) -> Value:
    if axes is None:
        # A symbol could turn out to be 1, and then the result would have another rank.
        if not all(isinstance(dim, int) for dim in x.shape):
            raise call.unsupported(f"the axes to drop depend on the sizes {list(x.shape)}")
        axes = tuple(i for i, dim in enumerate(x.shape) if dim == 1)
    dropped = call.axes(axes, x.rank)
    for axis in dropped:
        call.assume_equal(x.shape[axis], 1)
    return call.result("Reshape", x, shape=tuple(dim for i, dim in enumerate(x.shape) if i not in dropped))


@onnx_op("Unsqueeze", since=13)
def unsqueeze(call: Call, x: Value, axes: Value) -> Value:
    return _unsqueeze(call, x, call.known_ints(axes, "the axes"))


@onnx_op("Unsqueeze", since=1)
def unsqueeze_by_attribute(call: Call, x: Value) -> Value:
    return _unsqueeze(call, x, call.integers("axes"))


def _unsqueeze(call: Call, x: Value, axes: tuple[int, ...]) -> Value:
    """Axes are counted in the result."""
    rank = x.rank + len(axes)
    added = call.axes(axes, rank)
    old = iter(x.shape)
    new: Shape = tuple(1 if i in added else next(old) for i in range(rank))
    return call.result("Reshape", x, shape=new)
