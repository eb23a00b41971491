"""Poolings."""

import numpy as np

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


@onnx_op("LpPool", since=2)
def lp_pool(call: Call, x: Value) -> Value:
    """sum(|x| ** p) ** (1 / p) of each window: the mean of powers, borders of 0 included, times their count"""
    attributes = _window_attributes(call, x)
    if attributes["ceil_mode"]:
        raise call.unsupported("its windows may pass the end of the padding (ceil_mode)")
    power = _positive_power(call)
    mean = call.part("AveragePool", _to_power(call, x, power), **attributes, count_include_pad=True)
    taps = float(np.prod(call.integers("kernel_shape")))
    return _root(call, call.part("Mul", mean, call.constant_like(x, taps)), power)


@onnx_op("GlobalLpPool", since=2)
def global_lp_pool(call: Call, x: Value) -> Value:
    """sum(|x| ** p) ** (1 / p) of each channel"""
    axes, power = _spatial_axes(call, x), _positive_power(call)
    return _root(call, call.part("ReduceSum", _to_power(call, x, power), axes=axes, keepdims=True), power)


def _positive_power(call: Call) -> int:
    power = call.integer("p", 2)
    if power < 1:
        raise call.malformed(f"attribute 'p' is {power}, but 1 or more is expected")
    return power


def _to_power(call: Call, x: Value, power: int) -> Value:
    """|x| ** power"""
    if power == 2:
        return call.part("Mul", x, x)
    size = call.part("Abs", x)
    return size if power == 1 else call.part("Pow", size, call.constant_like(x, power))


def _root(call: Call, total: Value, power: int) -> Value:
    """total ** (1 / power)"""
    if power == 2:
        return call.result("Sqrt", total)
    return call.result("Pow", total, call.constant_like(total, 1 / power))


def _window_attributes(call: Call, x: Value) -> dict[str, Attribute]:
    window = read_window(call, x)
    ceil_mode = call.flag("ceil_mode", default=False)
    # SAME states the result's size itself, so that ceil_mode adds nothing. VALID does so too in the standard's words
    # (ONNX MaxPool-12), but onnxruntime rounds up.
    states_size = window.is_same
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
