"""Reading the text form of a graph; `graph.text` describes and prints it."""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from intab.dtypes import DTYPES, DType
from intab.errors import IntabError
from intab.graph.dims import Dim, Shape
from intab.graph.ir import Attribute, Constant, Equality, Graph, Node, Value
from intab.graph.storage import Storage
from intab.graph.text import constant_array
from intab.graph.tokens import Cursor, Token


class Inferred(Protocol):
    """What an operator's inference says of an output."""

    @property
    def dtype(self) -> DType: ...
    @property
    def shape(self) -> Shape: ...
    @property
    def elements(self) -> tuple[Dim, ...] | None: ...
    @property
    def equal(self) -> tuple[tuple[Dim, Dim], ...]: ...


# (operator, attributes, inputs) -> one for each output. `ops.inference.infer` is one.
Infer = Callable[[str, Mapping[str, Attribute], tuple[Value | None, ...]], tuple[Inferred, ...]]


def parse_graph(text: str, storages: Mapping[str, Storage] | None = None, infer: Infer | None = None) -> Graph:
    """The graph that a text stands for.

    `storages` holds what large constants refer to. With `infer`, the types of values that nodes make may be
    left out (`%y = Relu(%x)`); what it takes for equal becomes an equality of the graph.
    Raises ModelFormatError naming the line where the text cannot be read.
    """
    parser = _Parser(text, storages or {}, infer)
    graph = parser.graph()
    parser.expect_end()
    return graph


# A value to be made: its name, and its dtype, shape and known elements where they are written.
_Type = tuple[DType, Shape, tuple[Dim, ...] | None]
_Target = tuple[str, _Type | None]


class _Parser(Cursor):
    """Recursive descent, one method for each thing that the text holds."""

    def __init__(self, text: str, storages: Mapping[str, Storage], infer: Infer | None) -> None:
        super().__init__(text)
        self._storages = storages
        self._infer = infer

    # Graphs

    def graph(self) -> Graph:
        self.deeper()
        self.expect("graph")
        name = self._name()
        values: dict[str, Value] = {}
        inputs = self._inputs(values)
        self.expect("->")
        output_tokens = self._outputs()
        self.expect("{")
        body = _Body(values)
        while not self.accept("}"):
            self._statement(body)
        outputs = tuple(self._lookup(values, token) for _, token in output_tokens)
        self.shallower()
        return Graph(
            name,
            inputs,
            outputs,
            tuple(body.nodes),
            body.constants,
            tuple(body.constant_values),
            tuple(n for n, _ in output_tokens),
            tuple(body.equalities),
            body.metadata,
        )

    def _name(self) -> str:
        if self.token.kind == "string":
            return self.string(self.take("string", "a name"))
        return self.take("word", "a name")

    def _inputs(self, values: dict[str, Value]) -> tuple[Value, ...]:
        self.expect("(")
        inputs: list[Value] = []
        while not self.accept(")"):
            name, line = self._value_name(), self.token.line
            self.expect(":")
            value = Value(name, *self._type())
            self._define(values, value, line)
            inputs.append(value)
            if self.token.text != ")":
                self.expect(",")
        return tuple(inputs)

    def _outputs(self) -> list[tuple[str, Token]]:
        self.expect("(")
        outputs: list[tuple[str, Token]] = []
        while not self.accept(")"):
            name = self._name()
            self.expect("=")
            outputs.append((name, self.token))
            self.take("value", "a value such as %x")
            if self.token.text != ")":
                self.expect(",")
        return outputs

    def _value_name(self) -> str:
        text = self.take("value", "a value such as %x")[1:]
        return self.string(text) if text.startswith('"') else text

    def _define(self, values: dict[str, Value], value: Value, line: int) -> None:
        if value.name in values:
            raise self.error(f"%{value.name} is defined twice.", line)
        values[value.name] = value

    def _lookup(self, values: Mapping[str, Value], token: Token) -> Value:
        name = token.text[1:]
        name = self.string(name) if name.startswith('"') else name
        if name not in values:
            raise self.error(f"%{name} is not defined.", token.line)
        return values[name]

    def _type(self) -> _Type:
        dtype = self._dtype()
        self.expect("[")
        shape = self.dims("]")
        elements = self.dims(">") if self.accept("<") else None
        return dtype, shape, elements

    def _dtype(self) -> DType:
        word = self.take("word", "a dtype")
        if word not in DTYPES:
            raise self.error(f"{word!r} is not a dtype; known are {', '.join(DTYPES)}.")
        return DTYPES[word]

    # Statements

    def _statement(self, body: "_Body") -> None:
        if self.accept("metadata"):
            key = self.string(self.take("string", "a key in quotes"))
            self.expect("=")
            body.metadata[key] = self.string(self.take("string", "a text in quotes"))
        elif self.accept("assume"):
            left = self.dim()
            self.expect("==")
            right = self.dim()
            body.equalities.append(Equality(left, right, self.string(self.take("string", "a node's name"))))
        else:
            self._assignment(body)

    def _assignment(self, body: "_Body") -> None:
        line = self.token.line
        targets = [self._target()]
        while self.accept(","):
            targets.append(self._target())
        self.expect("=")
        if self.accept("const"):
            self._constant(body, targets[0][0], line)
            return
        op = self.take("word", "an operator")
        inputs = self._arguments(body.values)
        attributes = self._attributes()
        name = self.string(self.take("string", "a name")) if self.token.kind == "string" else ""
        if all(type_ is not None for _, type_ in targets):
            outputs = tuple(Value(name, *type_) for name, type_ in targets if type_ is not None)
        else:
            outputs, equalities = self._inferred(op, attributes, inputs, targets, line)
            body.equalities += [Equality(left, right, name or op) for left, right in equalities]
        for value in outputs:
            self._define(body.values, value, line)
        body.nodes.append(Node(op, inputs, outputs, attributes, name))

    def _target(self) -> _Target:
        name = self._value_name()
        return name, self._type() if self.accept(":") else None

    def _inferred(
        self,
        op: str,
        attributes: Mapping[str, Attribute],
        inputs: tuple[Value | None, ...],
        targets: list[_Target],
        line: int,
    ) -> tuple[tuple[Value, ...], list[tuple[Dim, Dim]]]:
        """The outputs of a node some of which have no type written, and what inference takes for equal."""
        if self._infer is None:
            raise self.error("a value without a type needs inference; write %name: dtype[shape].", line)
        try:
            results = self._infer(op, attributes, inputs)
        except IntabError as error:
            raise self.error(f"{op}: {error}", line) from error
        if len(results) != len(targets):
            raise self.error(f"{op} has {len(results)} outputs, not {len(targets)}.", line)
        outputs = tuple(
            Value(name, *(type_ or (r.dtype, r.shape, r.elements)))
            for (name, type_), r in zip(targets, results, strict=True)
        )
        return outputs, [pair for r in results for pair in r.equal]

    def _arguments(self, values: Mapping[str, Value]) -> tuple[Value | None, ...]:
        self.expect("(")
        arguments: list[Value | None] = []
        while not self.accept(")"):
            if self.accept("_"):
                arguments.append(None)
            else:
                token = self.token
                self.take("value", "a value such as %x")
                arguments.append(self._lookup(values, token))
            if self.token.text != ")":
                self.expect(",")
        return tuple(arguments)

    def _constant(self, body: "_Body", name: str, line: int) -> None:
        dtype = self._dtype()
        self.expect("[")
        shape = tuple(self.whole(d) for d in self.dims("]"))
        elements = None
        if self.accept("{"):
            constant = self._inline_constant(dtype, shape, name, line)
            if dtype.is_integer and len(shape) <= 1:
                elements = tuple(int(n) for n in constant.numpy().reshape(-1))
        else:
            constant = self._stored_constant(dtype, shape, line)
        value = Value(name, dtype, shape, elements)
        self._define(body.values, value, line)
        body.constants[name] = constant
        body.constant_values.append(value)

    def _inline_constant(self, dtype: DType, shape: tuple[int, ...], name: str, line: int) -> Constant:
        words: list[str] = []
        while not self.accept("}"):
            sign = "-" if self.accept("-") else ""
            if self.token.kind not in ("int", "float", "word"):
                raise self.error(f"expected a number, found {self.token.text!r}.")
            words.append(sign + self.token.text)
            self.skip()
            if self.token.text != "}":
                self.expect(",")
        # np.array would take memory for a shape of any size before it saw that numbers are missing.
        count = int(np.prod(shape, dtype=object))
        if count != len(words):
            raise self.error(f"{len(words)} numbers are given for a shape of {count}.", line)
        try:
            return Constant.of(constant_array(words, shape, dtype), name)
        except (ValueError, TypeError) as error:
            raise self.error(f"these are not {dtype} numbers: {error}.", line) from error

    def _stored_constant(self, dtype: DType, shape: tuple[int, ...], line: int) -> Constant:
        self.expect("@")
        storage_name = self.string(self.take("string", "a storage's name in quotes"))
        self.expect(":")
        offset = int(self.take("int", "an offset"))
        self.expect("+")
        nbytes = int(self.take("int", "a size in bytes"))
        if storage_name not in self._storages:
            raise self.error(f"the storage {storage_name!r} was not given.", line)
        return Constant(dtype, shape, self._storages[storage_name], offset, nbytes)

    # Attributes

    def _attributes(self) -> dict[str, Attribute]:
        attributes: dict[str, Attribute] = {}
        if not self.accept("{"):
            return attributes
        while not self.accept("}"):
            key = self.take("word", "an attribute's name")
            self.expect("=")
            if key in attributes:
                raise self.error(f"the attribute {key!r} is given twice.")
            attributes[key] = self._attribute()
            if self.token.text != "}":
                self.expect(",")
        return attributes

    def _attribute(self) -> Attribute:
        token = self.token
        if token.kind == "string":
            self.skip()
            return self.string(token.text)
        if token.kind == "word":
            if token.text == "graph":
                return self.graph()
            if token.text in _WORDS or token.text in DTYPES:
                self.skip()
                return DTYPES[token.text] if token.text in DTYPES else _WORDS[token.text]
        if self.accept("["):
            return self._list()
        negative = token.text == "-" and self.following.kind == "float"
        if negative or token.kind == "float":
            if negative:
                self.skip()
            number = float(self.take("float", "a number"))
            return -number if negative else number
        return self.dim()

    def _list(self) -> tuple[Attribute, ...]:
        self.deeper()
        items: list[Attribute] = []
        while not self.accept("]"):
            items.append(self._attribute())
            if self.token.text != "]":
                self.expect(",")
        self.shallower()
        return tuple(items)


_WORDS: dict[str, bool | None] = {"none": None, "true": True, "false": False}


class _Body:
    """What the statements of one graph have said so far."""

    def __init__(self, values: dict[str, Value]) -> None:
        self.values = values
        self.nodes: list[Node] = []
        self.constants: dict[str, Constant] = {}
        self.constant_values: list[Value] = []
        self.equalities: list[Equality] = []
        self.metadata: dict[str, str] = {}
