"""The operator dictionary: each operator once, all of it in one class.

    @op("Softmax")
    class Softmax:
        '''exp(x - max) / sum of the same, over one axis. x [..., N, ...] -> same shape. Source: ONNX Softmax-13.'''

        axis: int

        def infer(self, x: Value) -> Result: ...                  # dtype and shape, symbols allowed
        def reference(self, x: Array) -> Array: ...               # numpy meaning
        def lower(self, lowering, inputs, outputs) -> None: ...   # which kernels, which parameters

Elementwise operators inherit from `ops.elementwise.Elementwise` and write `scalar` in place of `lower`.
An operator's fields are the attributes of its nodes. Inputs that may be absent are None.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast, dataclass_transform

from intab.dtypes import DType
from intab.errors import UnsupportedOpError
from intab.graph.dims import Dim, Shape
from intab.graph.ir import Array, Attribute, Node, Value
from intab.ops.lowering import Lowering


@dataclass(frozen=True, slots=True)
class Result:
    """What inference knows of an output.

    `elements`: see `Value.elements`. `equal` are pairs of sizes that had to be taken for the same.
    """

    dtype: DType
    shape: Shape
    elements: tuple[Dim, ...] | None = None
    equal: tuple[tuple[Dim, Dim], ...] = ()


class Operator(Protocol):
    """What every operator class offers. Signatures narrow the inputs; see the module's text."""

    def infer(self, *inputs: Any) -> Result | tuple[Result, ...]: ...

    def reference(self, *inputs: Any) -> Array | tuple[Array, ...]: ...

    def lower(self, lowering: Lowering, inputs: tuple[Value | None, ...], outputs: tuple[Value, ...]) -> None: ...


OPERATORS: dict[str, type[Operator]] = {}

_Class = TypeVar("_Class", bound=type)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def op(name: str) -> Callable[[_Class], _Class]:
    """Register a class as operator `name`. A name taken twice is refused when the module is imported."""

    def register(cls: _Class) -> _Class:
        if name in OPERATORS:
            raise ValueError(f"Operator {name} is defined twice: {OPERATORS[name]} and {cls}.")
        # Methods that nobody calls on operators are left out: writing them takes Pyodide a millisecond a class.
        made: Any = dataclass(frozen=True, kw_only=True, eq=False, repr=False, match_args=False)(cls)
        OPERATORS[name] = cast(type[Operator], made)
        return cast(_Class, made)

    return register


def operator_of(op_name: str, attributes: Mapping[str, Attribute]) -> Operator:
    """The operator of a node, with its attributes. Raises UnsupportedOpError for an unknown name or attribute."""
    cls = OPERATORS.get(op_name)
    if cls is None:
        raise UnsupportedOpError(f"There is no operator {op_name!r} in intab's dictionary.")
    try:
        return cls(**attributes)
    except TypeError as error:
        raise UnsupportedOpError(f"Operator {op_name} does not take these attributes: {error}.") from error


def operator_of_node(node: Node) -> Operator:
    """The operator of a node."""
    return operator_of(node.op, node.attributes)
