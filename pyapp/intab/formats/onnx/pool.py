"""Poolings."""

from intab.formats.onnx.call import Call
from intab.formats.onnx.registry import onnx_op
from intab.formats.onnx.windows import read_window
from intab.graph.ir import Attribute, Value


@onnx_op("MaxPool", since=1)
def max_pool(call: Call, x: Value) -> Value:
    # `storage_order` only concerns the indices, an output that is refused when it is asked for.
    call.ignore("storage_order")
    return call.result("MaxPool", x, **_window_attributes(call, x))


@onnx_op("AveragePool", since=1)
def average_pool(call: Call, x: Value) -> Value:
    include = call.flag("count_include_pad", default=False)
    return call.result("AveragePool", x, **_window_attributes(call, x), count_include_pad=include)


@onnx_op("GlobalAveragePool", since=1)
def global_average_pool(call: Call, x: Value) -> Value:
    return call.result("ReduceMean", x, axes=_spatial_axes(call, x), keepdims=True)


@onnx_op("GlobalMaxPool", since=1)
def global_max_pool(call: Call, x: Value) -> Value:
    return call.result("ReduceMax", x, axes=_spatial_axes(call, x), keepdims=True)


def _window_attributes(call: Call, x: Value) -> dict[str, Attribute]:
    window = read_window(call, x)
    ceil_mode = call.flag("ceil_mode", default=False)
    # SAME and VALID state the result's size themselves; ceil_mode adds nothing to them (ONNX MaxPool-12).
    states_size = call.choice("auto_pad", ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"), "NOTSET") != "NOTSET"
    return {
        "kernel": window.kernel,
        "strides": window.strides,
        "pads": window.pads,
        "dilations": window.dilations,
        "ceil_mode": ceil_mode and not states_size,
    }


def _spatial_axes(call: Call, x: Value) -> tuple[int, ...]:
    if x.rank < 3:
        raise call.malformed(f"its input has {x.rank} axes, but batch, channel and at least one more are expected")
    return tuple(range(2, x.rank))
