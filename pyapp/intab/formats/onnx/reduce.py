"""Operators that make one element of many along axes."""

from collections.abc import Callable

from intab.formats.onnx.call import Call
from intab.formats.onnx.registry import add_importer, onnx_op
from intab.graph.ir import Value

# How the axes come in: from this opset on as an input, before that as an attribute.
_AXES_INPUT_SINCE = {"ReduceSum": 13}
_AXES_INPUT_SINCE_OTHERS = 18

# A reduction is what is emitted for (x, axes, keepdims), the last of it named as the node's output.
Reduction = Callable[[Call, Value, tuple[int, ...], bool], Value]


def _add_reduction(name: str, reduction: Reduction) -> None:
    def by_input(call: Call, x: Value, axes: Value | None = None) -> Value:
        known = None if axes is None else call.known_ints(axes, "the axes")
        if not known:
            known = () if call.flag("noop_with_empty_axes", default=False) else tuple(range(x.rank))
        else:
            call.ignore("noop_with_empty_axes")
        return _reduced(call, reduction, x, known)

    def by_attribute(call: Call, x: Value) -> Value:
        axes = call.integers("axes") if call.has("axes") else tuple(range(x.rank))
        return _reduced(call, reduction, x, axes)

    since = _AXES_INPUT_SINCE.get(name, _AXES_INPUT_SINCE_OTHERS)
    add_importer(name, by_input, since=since)
    add_importer(name, by_attribute, since=1)


def _reduced(call: Call, reduction: Reduction, x: Value, axes: tuple[int, ...]) -> Value:
    keepdims = call.flag("keepdims", default=True)
    return reduction(call, x, tuple(sorted(call.axes(axes, x.rank))), keepdims)


def _plain(op: str) -> Reduction:
    return lambda call, x, axes, keepdims: call.result(op, x, axes=axes, keepdims=keepdims)


def _sum_of_squares(call: Call, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
    return call.result("ReduceSum", call.part("Mul", x, x), axes=axes, keepdims=keepdims)


def _l1(call: Call, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
    return call.result("ReduceSum", call.part("Abs", x), axes=axes, keepdims=keepdims)


def _l2(call: Call, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
    total = call.part("ReduceSum", call.part("Mul", x, x), axes=axes, keepdims=keepdims)
    return call.result("Sqrt", total)


def _log_sum(call: Call, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
    return call.result("Log", call.part("ReduceSum", x, axes=axes, keepdims=keepdims))


def _log_sum_exp(call: Call, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
    """max + log(sum(exp(x - max))): exp of a large x would overflow"""
    largest = call.part("ReduceMax", x, axes=axes, keepdims=True)
    powers = call.part("Exp", call.part("Sub", x, largest))
    logarithm = call.part("Log", call.part("ReduceSum", powers, axes=axes, keepdims=keepdims))
    shift = call.part("Reshape", largest, shape=logarithm.shape)
    return call.result("Add", logarithm, shift)


_REDUCTIONS: dict[str, Reduction] = {
    "ReduceSum": _plain("ReduceSum"),
    "ReduceMean": _plain("ReduceMean"),
    "ReduceMax": _plain("ReduceMax"),
    "ReduceMin": _plain("ReduceMin"),
    "ReduceProd": _plain("ReduceProd"),
    "ReduceSumSquare": _sum_of_squares,
    "ReduceL1": _l1,
    "ReduceL2": _l2,
    "ReduceLogSum": _log_sum,
    "ReduceLogSumExp": _log_sum_exp,
}

for _name, _reduction in _REDUCTIONS.items():
    _add_reduction(_name, _reduction)


@onnx_op("ArgMax", "ArgMin", since=1)
def arg_extreme(call: Call, x: Value) -> Value:
    return call.result(
        call.node.op_type,
        x,
        axis=call.axis(call.integer("axis", 0), x.rank),
        keepdims=call.flag("keepdims", default=True),
        select_last=call.flag("select_last_index", default=False),
    )


@onnx_op("CumSum", since=11)
def cumulative_sum(call: Call, x: Value, axis: Value) -> Value:
    axes = call.known_ints(axis, "the axis")
    if len(axes) != 1:
        raise call.malformed(f"its axis is {list(axes)}, but one number is expected")
    return call.result(
        "CumSum",
        x,
        axis=call.axis(axes[0], x.rank),
        exclusive=call.flag("exclusive", default=False),
        reverse=call.flag("reverse", default=False),
    )
