"""Operators that take any number of inputs, as chains of those that take two."""

from functools import reduce

from intab.formats.onnx.call import Call
from intab.formats.onnx.registry import add_importer, onnx_op
from intab.graph.ir import Value

_CHAINS = {"Max": "Maximum", "Min": "Minimum", "Sum": "Add"}


def _add_chain(name: str, op: str) -> None:
    def chain(call: Call, first: Value, *others: Value) -> Value:
        call.ignore("consumed_inputs")
        return _folded(call, op, (first, *others))

    add_importer(name, chain, since=1)


for _name, _op in _CHAINS.items():
    _add_chain(_name, _op)


@onnx_op("Mean", since=1)
def mean(call: Call, first: Value, *others: Value) -> Value:
    """(a + b + ...) / count"""
    call.ignore("consumed_inputs")
    if not others:
        return first
    total = reduce(lambda a, b: call.part("Add", a, b), _present(call, (first, *others)))
    return call.result("Div", total, call.constant_like(total, 1 + len(others)))


def _folded(call: Call, op: str, values: tuple[Value, ...]) -> Value:
    """op(op(a, b), c) ..., the last of them named after the node's output."""
    *before, last = _present(call, values)
    if not before:
        return last
    return call.result(op, reduce(lambda a, b: call.part(op, a, b), before), last)


def _present(call: Call, values: tuple[Value | None, ...]) -> list[Value]:
    found = [value for value in values if value is not None]
    if len(found) != len(values):
        raise call.malformed("an input is absent")
    return found
