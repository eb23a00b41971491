"""Values that are known without running anything, and operators that do nothing in inference."""

from math import prod

import numpy as np

from intab.formats.onnx.call import Call
from intab.formats.onnx.limits import MOST_AXES
from intab.formats.onnx.registry import onnx_op
from intab.graph.dims import Dim, Shape, ceil_div, maximum
from intab.graph.ir import Array, Constant, Value
from intab.ops.broadcast import not_negative

# What a made-up constant may take; beyond that it is computed when the model runs, or refused.
_LARGEST_MADE_CONSTANT = 1 << 16

_CONSTANT_ATTRIBUTES = ("value", "value_float", "value_floats", "value_int", "value_ints")


@onnx_op("Constant", since=1)
def constant(call: Call) -> Value:
    given = [name for name in _CONSTANT_ATTRIBUTES if call.has(name)]
    for name in ("sparse_value", "value_string", "value_strings"):
        if call.has(name):
            raise call.unsupported(f"it holds a {name.replace('value_', '').replace('_value', ' tensor')}")
    if len(given) != 1:
        raise call.malformed(f"it has {len(given)} values, but one is expected")
    name = call.node.outputs[0] if call.node.outputs else call.label
    return call.builder.constant(_constant_data(call, given[0]), name)


def _constant_data(call: Call, attribute: str) -> Constant | Array:
    if attribute == "value":
        return call.tensor_constant(call.tensor("value"))
    if attribute == "value_float":
        return np.array(call.number("value_float"), dtype=np.float32)
    if attribute == "value_floats":
        return np.array(call.numbers("value_floats"), dtype=np.float32)
    if attribute == "value_int":
        return np.array(call.integer("value_int"), dtype=np.int64)
    return np.array(call.integers("value_ints"), dtype=np.int64)


@onnx_op("Identity", since=1)
def identity(call: Call, x: Value) -> Value:
    return x


@onnx_op("Dropout", since=7)
def dropout(
    call: Call, x: Value, ratio: Value | None = None, training: Value | None = None
) -> Value | tuple[Value, ...]:
    """Nothing is dropped in inference. The second output says so for each element."""
    call.ignore("ratio", "seed")
    if training is not None and call.known_scalar(training, "the training mode"):
        raise call.unsupported("it is in training mode")
    if not call.wants(1):
        return x
    kept = call.constant(np.array(True))
    mask = call.part("Expand", kept, shape=x.shape)
    return x, mask if call.opset >= 10 else call.part("Cast", mask, to=x.dtype)


@onnx_op("Dropout", since=1)
def dropout_by_attribute(call: Call, x: Value) -> Value:
    call.ignore("ratio", "consumed_inputs")
    if not call.flag("is_test", default=False):
        raise call.unsupported("it is in training mode")
    return x


@onnx_op("ConstantOfShape", since=9)
def constant_of_shape(call: Call, shape: Value) -> Value:
    number: Array = np.zeros(1, dtype=np.float32)
    if call.has("value"):
        number = call.tensor_constant(call.tensor("value")).numpy().reshape(-1)
        if number.size != 1:
            raise call.malformed(f"attribute 'value' has {number.size} numbers, but one is expected")
    rank = shape.shape[0] if shape.rank == 1 else None
    if shape.elements is None and isinstance(rank, int) and rank <= MOST_AXES:
        # The output's name, since no input has the same, and inputs name symbols in this way too.
        symbols = tuple(f"{call.node.outputs[0]}:{axis}" for axis in range(rank))
        return call.result("Fill", shape, call.constant(number.reshape(())), symbols=symbols)
    sizes = call.known_sizes(shape, "the shape")
    if any(isinstance(size, int) and size < 0 for size in sizes):
        raise call.malformed(f"the shape {list(sizes)} has a negative size")
    return _filled(call, number, sizes)


def _filled(call: Call, number: Array, shape: Shape) -> Value:
    """One number everywhere: a constant where it is small, since shape arithmetic can look into those."""
    sizes = tuple(size for size in shape if isinstance(size, int))
    # A size of 0 beside a huge one makes nothing, but numpy refuses such a shape.
    count = prod(size for size in sizes if size)
    if len(sizes) == len(shape) and count <= _LARGEST_MADE_CONSTANT:
        return call.constant(np.full(sizes, number[0]))
    scalar = call.constant(number.reshape(()))
    return call.result("Expand", scalar, shape=shape)


@onnx_op("Range", since=11)
def range_(call: Call, start: Value, limit: Value, delta: Value) -> Value:
    """start, start + delta, ... below limit; whole numbers may depend on the sizes of the inputs."""
    call.ignore("stash_type")
    if start.dtype.is_integer:
        return _counted(call, start, limit, delta)
    known = [float(call.known_scalar(value, "a bound")) for value in (start, limit, delta)]
    first, last, difference = known
    if difference == 0 or not np.isfinite(known).all():
        raise call.malformed(f"it counts from {first} to {last} in steps of {difference}")
    count = max(int(np.ceil((last - first) / difference)), 0)
    _check_count(call, count)
    # As ONNX defines it: start + index * delta, not a sum of many deltas.
    return call.constant((first + np.arange(count) * difference).astype(start.dtype.numpy))


def _counted(call: Call, start: Value, limit: Value, delta: Value) -> Value:
    """Whole numbers: a constant where their count is one, else a node."""
    (first,), (end,) = (call.known_sizes(value, what) for value, what in ((start, "start"), (limit, "limit")))
    (step,) = call.known_ints(delta, "delta")
    if step == 0:
        raise call.malformed("it counts in steps of 0")
    count = _not_below_zero(ceil_div(end - first if step > 0 else first - end, abs(step)))
    if isinstance(count, int):
        _check_count(call, count)
        if isinstance(first, int):
            return call.constant((first + np.arange(count) * step).astype(start.dtype.numpy))
    return call.result("Range", start=first, count=count, step=step, to=start.dtype)


def _check_count(call: Call, count: int) -> None:
    if count > _LARGEST_MADE_CONSTANT:
        raise call.unsupported(f"it makes {count} numbers; at most {_LARGEST_MADE_CONSTANT} are made at load")


def _not_below_zero(count: Dim) -> Dim:
    return count if not_negative(count) else maximum(count, 0)
