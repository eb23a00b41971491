"""One ONNX node while it is imported: its inputs, its attributes, and where its graph nodes go."""

from collections.abc import Iterable
from math import prod
from typing import TypeVar, cast

import numpy as np

from intab.errors import IntabError, ModelFormatError, UnsupportedOpError
from intab.formats.onnx.limits import check_sizes
from intab.formats.onnx.schema import AttributeRecord, NodeRecord, TensorRecord
from intab.formats.onnx.tensors import TensorReader
from intab.graph.dims import Dim, Shape
from intab.graph.ir import Array, Attribute, Constant, Equality, Value
from intab.ops.builder import Builder

T = TypeVar("T")

# AttributeProto.AttributeType, by the record's field that holds it. Files older than IR version 2 leave it 0.
_ATTRIBUTE_TYPES = {"f": 1, "i": 2, "s": 3, "t": 4, "g": 5, "floats": 6, "ints": 7, "strings": 8}

# Inputs that the importer itself looks into (bounds, scales) are short.
_MOST_KNOWN = 256


class Call:
    """What an importer works with.

    Attributes are taken by the methods named after their type. `check_all_taken` refuses those that nobody took,
    since an attribute that is not understood may change the meaning.
    """

    __slots__ = ("_attributes", "_taken", "_tensors", "builder", "node", "opset")

    def __init__(self, builder: Builder, tensors: TensorReader, node: NodeRecord, opset: int) -> None:
        self.builder = builder
        self.node = node
        self.opset = opset
        self._tensors = tensors
        self._taken: set[str] = set()
        self._attributes: dict[str, AttributeRecord] = {}
        for attribute in node.attributes:
            if attribute.name in self._attributes:
                raise self.malformed(f"attribute {attribute.name!r} is given twice")
            self._attributes[attribute.name] = attribute

    # Graph nodes

    def part(self, op: str, *inputs: Value | None, **attributes: Attribute) -> Value:
        """Emit a graph node that is a step on the way to an output."""
        return self.output("", op, *inputs, **attributes)

    def result(self, op: str, *inputs: Value | None, **attributes: Attribute) -> Value:
        """Emit the graph node that makes the ONNX node's first output."""
        return self.output(self.node.outputs[0] if self.node.outputs else "", op, *inputs, **attributes)

    def output(self, output: str, op: str, *inputs: Value | None, **attributes: Attribute) -> Value:
        """Emit the graph node that makes the output of that name; "" is a step on the way."""
        value = self.builder.emit(op, *inputs, node=self.label, output=output, **attributes)
        check_sizes(value, self.where)
        return value

    def outputs(
        self, names: tuple[str, ...], op: str, *inputs: Value | None, **attributes: Attribute
    ) -> tuple[Value, ...]:
        """Emit a graph node of several outputs, which get these names where they are not ""."""
        values = self.builder.emit_all(op, *inputs, node=self.label, outputs=names, **attributes)
        for value in values:
            check_sizes(value, self.where)
        return values

    def wants(self, output: int) -> bool:
        """Whether the model uses an output; optional ones may be left out."""
        return output < len(self.node.outputs) and bool(self.node.outputs[output])

    def constant(self, data: Constant | Array) -> Value:
        """A constant that the importer makes."""
        return self.builder.constant(data, f"{self.label}:constant")

    def constant_like(self, x: Value, number: float) -> Value:
        """`number` as a scalar of x's element type."""
        with np.errstate(over="ignore"):  # what float16 cannot hold is infinite
            return self.constant(np.array(number, dtype=x.dtype.numpy))

    def tensor_constant(self, tensor: TensorRecord) -> Constant:
        """The constant of a tensor attribute."""
        return self._tensors.constant(tensor, self.label)

    def assume_equal(self, left: Dim, right: Dim) -> None:
        """Take two sizes for the same. Raises ShapeError when they cannot be; symbols are checked when bound."""
        if left == right:
            return
        if isinstance(left, int) and isinstance(right, int):
            raise self.malformed(f"sizes {left} and {right} have to be the same")
        self.builder.assume([Equality(left, right, self.label)])

    # Attributes

    def has(self, name: str) -> bool:
        """Whether the node carries the attribute."""
        return name in self._attributes

    def integer(self, name: str, default: int | None = None) -> int:
        """An integer attribute. Raises ModelFormatError when it is missing and has no default."""
        return self._single(name, "i", default)

    def flag(self, name: str, default: bool) -> bool:
        """An integer attribute that means yes or no."""
        value = self.integer(name, int(default))
        if value not in (0, 1):
            raise self.malformed(f"attribute {name!r} is {value}, but 0 or 1 is expected")
        return bool(value)

    def number(self, name: str, default: float | None = None) -> float:
        """A float attribute."""
        return self._single(name, "f", default)

    def text(self, name: str, default: str | None = None) -> str:
        """A text attribute."""
        value = self._single(name, "s", None if default is None else default.encode())
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise self.malformed(f"attribute {name!r} is not valid UTF-8") from None

    def choice(self, name: str, choices: Iterable[str], default: str) -> str:
        """A text attribute that must be one of `choices`."""
        value = self.text(name, default)
        if value not in choices:
            raise self.unsupported(f"attribute {name!r} is {value!r}; known are {', '.join(choices)}")
        return value

    def tensor(self, name: str) -> TensorRecord:
        """A tensor attribute."""
        return self._single(name, "t", cast(TensorRecord | None, None))

    def integers(self, name: str, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """A list of integers."""
        return self._many(name, "ints", default)

    def numbers(self, name: str, default: tuple[float, ...] | None = None) -> tuple[float, ...]:
        """A list of floats."""
        return self._many(name, "floats", default)

    def texts(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """A list of texts."""
        attribute = self._take(name, "strings")
        if attribute is None:
            return default
        try:
            return tuple(text.decode() for text in attribute.strings)
        except UnicodeDecodeError:
            raise self.malformed(f"attribute {name!r} is not valid UTF-8") from None

    def ignore(self, *names: str) -> None:
        """Say that these attributes do not change what inference computes."""
        self._taken.update(names)

    def check_all_taken(self) -> None:
        """Raise UnsupportedOpError for an attribute that the importer did not look at."""
        for name in self._attributes:
            if name not in self._taken:
                raise self.unsupported(f"attribute {name!r} is not understood")

    def _single(self, name: str, kind: str, default: T | None) -> T:
        attribute = self._take(name, kind)
        if attribute is None:
            return self._default(name, default)
        value = getattr(attribute, kind)
        if value is None:
            # protobuf 3 writers leave zeros out when the type says what is meant.
            value = {"f": 0.0, "i": 0, "s": b""}.get(kind)
        if value is None:
            raise self.malformed(f"attribute {name!r} has no value")
        return cast(T, value)

    def _many(self, name: str, kind: str, default: T | None) -> T:
        attribute = self._take(name, kind)
        return self._default(name, default) if attribute is None else cast(T, getattr(attribute, kind))

    def _take(self, name: str, kind: str) -> AttributeRecord | None:
        attribute = self._attributes.get(name)
        if attribute is None:
            return None
        self._taken.add(name)
        if attribute.ref_attr_name:
            raise self.unsupported(f"attribute {name!r} refers to a function's parameter")
        expected = _ATTRIBUTE_TYPES[kind]
        if attribute.type not in (0, expected):
            raise self.malformed(f"attribute {name!r} has type {attribute.type}, but {expected} is expected")
        if attribute.type == 0 and getattr(attribute, kind) in (None, ()):
            raise self.malformed(f"attribute {name!r} has no value of the expected type")
        return attribute

    def _default(self, name: str, default: T | None) -> T:
        if default is None:
            raise self.malformed(f"attribute {name!r} is missing")
        return default

    # Inputs that must be known

    def known_sizes(self, value: Value, what: str) -> tuple[Dim, ...]:
        """The numbers of an integer input of rank 0 or 1, symbols allowed."""
        if value.rank > 1:
            raise self.malformed(f"{what} has {value.rank} axes, but one is expected")
        if value.elements is None:
            raise self.unsupported(f"{what} is not known before the model runs")
        return value.elements

    def known_ints(self, value: Value, what: str) -> tuple[int, ...]:
        """The numbers of an integer input of rank 0 or 1."""
        sizes = self.known_sizes(value, what)
        numbers = tuple(size for size in sizes if isinstance(size, int))
        if len(numbers) != len(sizes):
            raise self.unsupported(f"{what} depends on the sizes of the inputs")
        return numbers

    def known_array(self, value: Value, what: str) -> Array:
        """The numbers of an input that must be constant."""
        constant = self.builder.constant_of(value)
        if constant is None:
            raise self.unsupported(f"{what} is not constant")
        if prod(constant.shape) > _MOST_KNOWN:
            raise self.malformed(f"{what} has {prod(constant.shape)} numbers, far too many")
        return constant.numpy()

    def known_scalar(self, value: Value, what: str) -> float | int:
        """The only number of an input that must be constant."""
        array = self.known_array(value, what)
        if array.size != 1:
            raise self.malformed(f"{what} has {array.size} numbers, but one is expected")
        return cast("float | int", array.reshape(()).item())

    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front. Raises ModelFormatError when the tensor does not have it."""
        if not -rank <= axis < rank:
            raise self.malformed(f"axis {axis} does not exist in a tensor of {rank} axes")
        return axis % rank

    def axes(self, axes: Iterable[int], rank: int) -> tuple[int, ...]:
        """Different axes counted from the front, in the order given."""
        found = tuple(self.axis(axis, rank) for axis in axes)
        if len(set(found)) != len(found):
            raise self.malformed(f"axes {list(found)} name one twice")
        return found

    def fixed_shape(self, shape: Shape, what: str) -> tuple[int, ...]:
        """A shape without symbols."""
        sizes = tuple(dim for dim in shape if isinstance(dim, int))
        if len(sizes) != len(shape):
            raise self.unsupported(f"{what} has a size that depends on the inputs")
        return sizes

    # Errors

    @property
    def label(self) -> str:
        """The node's name, or that of its first output, as errors and graph nodes quote it."""
        return self.node.name or next((o for o in self.node.outputs if o), "") or self.node.op_type

    @property
    def where(self) -> str:
        domain = f", domain {self.node.domain}" if self.node.domain else ""
        return f"{self.builder.name}: node {self.label!r} ({self.node.op_type}{domain}, opset {self.opset})"

    def malformed(self, what: str) -> IntabError:
        """The error for a node that breaks the ONNX standard."""
        return ModelFormatError(f"{self.where}: {what}. The model is damaged; export it again.")

    def unsupported(self, what: str) -> IntabError:
        """The error for a use of an operator that intab cannot import."""
        return UnsupportedOpError(f"{self.where}: {what}, which intab cannot run. Export the model without it.")
