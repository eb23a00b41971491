"""What a well-formed graph is."""

import numpy as np

from intab.errors import IntabError, ModelFormatError
from intab.graph.ir import Graph, Node, Value
from intab.graph.parse import Infer, Inferred
from intab.graph.text import type_text


def verify(graph: Graph, infer: Infer | None = None) -> None:
    """Check a graph and the bodies of its nodes.

    Names are unique; a value is made once and before it is used; outputs exist and have names of their own;
    constants are as long as their shapes say. With `infer` (see `ops.inference`) also: operators and
    attributes are known, and dtypes, shapes and elements are those that inference gives.
    Raises ModelFormatError, or what `infer` raises, naming graph and node.
    """
    known = _Known(graph.name)
    for value in graph.inputs:
        known.define(value, "an input")
    for value in graph.constant_values:
        known.define(value, "a constant")
        _verify_constant(graph, value)
    if len(graph.constants) != len(graph.constant_values):
        raise ModelFormatError(f"{graph.name}: constants and their values differ in number.")
    for node in graph.nodes:
        _verify_node(graph.name, node, known, infer)
    if len(graph.outputs) != len(graph.output_names) or len(set(graph.output_names)) != len(graph.outputs):
        raise ModelFormatError(f"{graph.name}: its outputs need one name each, not {list(graph.output_names)}.")
    for value in graph.outputs:
        known.check(value, "an output of the graph")


class _Known:
    """The values defined so far."""

    def __init__(self, graph_name: str) -> None:
        self._graph_name = graph_name
        self._by_name: dict[str, Value] = {}

    def define(self, value: Value, where: str) -> None:
        if value.name in self._by_name:
            raise ModelFormatError(f"{self._graph_name}: %{value.name}, {where}, has a name that is taken.")
        self._by_name[value.name] = value

    def check(self, value: Value, where: str) -> None:
        if self._by_name.get(value.name) is not value:
            raise ModelFormatError(f"{self._graph_name}: %{value.name}, {where}, is not defined before its use.")


def _verify_constant(graph: Graph, value: Value) -> None:
    constant = graph.constants.get(value.name)
    if constant is None or constant.dtype != value.dtype or constant.shape != value.shape:
        raise ModelFormatError(f"{graph.name}: the constant of {value} is missing or of another type: {constant}.")
    nbytes = int(np.prod(constant.shape, dtype=object)) * constant.dtype.itemsize
    end = constant.offset + constant.nbytes
    if nbytes != constant.nbytes or constant.offset < 0 or end > constant.storage.nbytes:
        raise ModelFormatError(
            f"{graph.name}: constant %{value.name} takes {nbytes} bytes; {constant.nbytes} are given at "
            f"{constant.offset} of the {constant.storage.nbytes} in {constant.storage.name}."
        )


def _verify_node(graph_name: str, node: Node, known: _Known, infer: Infer | None) -> None:
    where = f"node {node.name!r} ({node!r})"
    for value in node.inputs:
        if value is not None:
            known.check(value, f"an input of {where}")
    for attribute in node.attributes.values():
        if isinstance(attribute, Graph):
            verify(attribute, infer)
    if infer is not None:
        try:
            results = infer(node.op, node.attributes, node.inputs)
        except IntabError as error:
            raise type(error)(f"{graph_name}: {where}: {error}") from error
        _verify_results(graph_name, where, node, results)
    for value in node.outputs:
        known.define(value, f"an output of {where}")


def _verify_results(graph_name: str, where: str, node: Node, results: tuple[Inferred, ...]) -> None:
    if len(results) != len(node.outputs):
        raise ModelFormatError(f"{graph_name}: {where} records {len(node.outputs)} outputs; it has {len(results)}.")
    for value, result in zip(node.outputs, results, strict=True):
        same = value.dtype == result.dtype and value.shape == result.shape
        # A pass may drop what is known of elements, but not claim more than inference does.
        same = same and value.elements in (None, result.elements)
        if not same:
            inferred = Value(value.name, result.dtype, result.shape, result.elements)
            raise ModelFormatError(
                f"{graph_name}: {where} records %{value.name}: {type_text(value)}; "
                f"inference gives {type_text(inferred)}."
            )
