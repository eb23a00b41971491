"""ModelProto -> Graph: the whole of an ONNX file in one pass."""

from collections.abc import Mapping

from intab.dtypes import DType
from intab.errors import DTypeError, ModelFormatError, ShapeError, UnsupportedOpError
from intab.formats.onnx.call import Call
from intab.formats.onnx.order import nodes_in_order
from intab.formats.onnx.registry import STANDARD_DOMAINS, Entry, entry_for
from intab.formats.onnx.schema import MODEL, GraphRecord, ModelRecord, NodeRecord, TensorRecord, ValueInfoRecord, decode
from intab.formats.onnx.tensors import Resolve, TensorReader, dtype_of_data_type
from intab.formats.onnx.wire import WireReader
from intab.graph.dims import Dim, symbol
from intab.graph.ir import Graph, Value
from intab.graph.storage import Storage
from intab.ops.builder import Builder

# Meanings may change in opsets that did not exist when this reader was written (onnx 1.23 knows up to 28).
NEWEST_OPSET = 28


def read_onnx(storage: Storage, resolve: Resolve | None = None, dims: Mapping[str, int] | None = None) -> Graph:
    """The graph of an ONNX model. `resolve` opens files that hold external weights, by their location.

    `dims` gives inputs' symbols numbers, with which shapes are inferred from the start.
    Weights stay where they are. Raises ModelFormatError for nonsense, UnsupportedOpError for operators or
    uses that have no importer, ShapeError and DTypeError where nodes do not fit together.
    """
    reader = WireReader(storage)
    record = decode(reader, MODEL, reader.whole)
    if record.graph is None:
        raise ModelFormatError(f"{storage.name}: there is no graph in the file. It is damaged or not an ONNX model.")
    return _Import(record, record.graph, storage.name, TensorReader(reader, resolve), dims or {}).graph()


class _Import:
    """The state of reading one model: which values are known by which ONNX name."""

    def __init__(
        self, record: ModelRecord, graph: GraphRecord, model: str, tensors: TensorReader, dims: Mapping[str, int]
    ) -> None:
        self._record = graph
        self._model = model
        self._tensors = tensors
        self._functions = bool(record.functions)
        self._opsets = _opsets(record, model)
        self._builder = Builder(model, {entry.key: entry.value for entry in record.metadata})
        self._initializers = _initializers(graph, model)
        self._values: dict[str, Value] = {}
        self._symbols: dict[str, str] = {}
        self._dims = dims

    def graph(self) -> Graph:
        record = self._record
        if not record.outputs:
            raise ModelFormatError(f"{self._model}: the graph has no outputs. The file is damaged; export it again.")
        names = [info.name for info in record.outputs]
        if not all(names) or len(set(names)) != len(names):
            raise ModelFormatError(f"{self._model}: an output's name is empty or taken. The file is damaged.")
        for info in record.inputs:
            # Before IR version 4 every initializer was listed as an input too.
            if info.name not in self._initializers:
                self._add_input(info)
        given = frozenset(self._values) | frozenset(self._initializers)
        nodes = nodes_in_order(record, given, self._model)
        entries = [self._entry(node) for node in nodes]
        self._refuse_unknown(nodes, entries)
        for node, entry in zip(nodes, entries, strict=True):
            if entry is not None:
                self._import(node, entry)
        return self._builder.graph([(info.name, self._output(info)) for info in record.outputs])

    def _add_input(self, info: ValueInfoRecord) -> None:
        where = f"{self._model}: input {info.name!r}"
        if not info.name or info.name in self._values:
            raise ModelFormatError(f"{where}: its name is empty or taken. The file is damaged; export it again.")
        tensor = None if info.type is None else info.type.tensor
        if tensor is None:
            raise UnsupportedOpError(f"{where} is not a dense tensor. Export the model with tensors as inputs.")
        if tensor.shape is None:
            raise UnsupportedOpError(
                f"{where} has no shape, not even a rank. Export the model with its inputs' shapes."
            )
        dtype = dtype_of_data_type(tensor.elem_type, where)
        shape = tuple(
            self._dim(dim.param, dim.value, f"{info.name}:{axis}") for axis, dim in enumerate(tensor.shape.dims)
        )
        self._values[info.name] = self._builder.input(info.name, dtype, shape)

    def _dim(self, param: str, size: int | None, place: str) -> Dim:
        """A number, or a symbol: the file's own name for it, else one made of the input and the axis."""
        if size is not None and size > 0:
            return size
        named = bool(param) and param not in ("?", "-1", "None")
        key, wanted = (param, param) if named else (f"\0{place}", place)
        if key not in self._symbols:
            taken = set(self._symbols.values())
            name, count = wanted, 1
            while name in taken:
                count += 1
                name = f"{wanted}~{count}"
            self._symbols[key] = name
        name = self._symbols[key]
        return self._dims[name] if name in self._dims else symbol(name)

    def _entry(self, node: NodeRecord) -> Entry | None:
        if not node.op_type:
            raise ModelFormatError(
                f"{self._model}: node {node.name!r} has no operator. The file is damaged; export it again."
            )
        return entry_for(node.domain, node.op_type, self._opset(node))

    def _opset(self, node: NodeRecord) -> int:
        opset = self._opsets.get("" if node.domain in STANDARD_DOMAINS else node.domain)
        if opset is None:
            raise ModelFormatError(
                f"{self._model}: node {node.name!r} uses operator {node.op_type!r} of domain {node.domain!r}, "
                "whose version the file does not state. Export the model again."
            )
        return opset

    def _refuse_unknown(self, nodes: list[NodeRecord], entries: list[Entry | None]) -> None:
        unknown = [node for node, entry in zip(nodes, entries, strict=True) if entry is None]
        if not unknown:
            return
        node = unknown[0]
        others = sorted({f"{n.domain}:{n.op_type}".lstrip(":") for n in unknown} - {node.op_type})
        also = f" Others without an importer: {', '.join(others)}." if others else ""
        what_next = "Inline the model's functions" if self._functions else "Export the model without it"
        raise UnsupportedOpError(
            f"{self._model}: node {node.name or ', '.join(node.outputs)!r} ({node.op_type}, domain "
            f"{node.domain or 'ai.onnx'}, opset {self._opset(node)}): intab cannot read this operator.{also} "
            f"{what_next}, or add an importer in intab/formats/onnx."
        )

    def _import(self, node: NodeRecord, entry: Entry) -> None:
        call = Call(self._builder, self._tensors, node, self._opset(node))
        inputs = [self._value(name) if name else None for name in node.inputs]
        while inputs and inputs[-1] is None:
            inputs.pop()
        if not entry.fewest_inputs <= len(inputs) <= entry.most_inputs:
            raise call.malformed(f"{len(inputs)} inputs are given, but {entry.fewest_inputs} or more are expected")
        if any(value is None for value in inputs[: entry.fewest_inputs]):
            raise call.malformed("a required input is absent")
        try:
            results = entry.importer(call, *inputs)
        except (ShapeError, DTypeError) as error:
            if str(error).startswith(f"{self._model}: "):
                raise
            raise type(error)(f"{call.where}: {error}") from error
        call.check_all_taken()
        values = (results,) if isinstance(results, Value) else results
        for index, name in enumerate(node.outputs):
            if not name:
                continue
            if index >= len(values):
                raise call.unsupported(f"output {index} ({name!r}) is asked for")
            self._values[name] = values[index]

    def _value(self, name: str) -> Value:
        found = self._values.get(name)
        if found is None:
            found = self._builder.constant(self._tensors.constant(self._initializers[name]), name)
            self._values[name] = found
        return found

    def _output(self, info: ValueInfoRecord) -> Value:
        value = self._value(info.name)
        declared = None if info.type is None or info.type.tensor is None else info.type.tensor.elem_type
        if declared:
            expected: DType = dtype_of_data_type(declared, f"{self._model}: output {info.name!r}")
            if expected != value.dtype:
                raise ModelFormatError(
                    f"{self._model}: output {info.name!r} is declared as {expected}, but its node makes {value.dtype}. "
                    "The model is damaged; export it again."
                )
        return value


def _opsets(record: ModelRecord, model: str) -> dict[str, int]:
    """Version by domain; the standard domain is "". Before IR version 3 there was only opset 1."""
    opsets = {"": 1} if record.ir_version < 3 else {}
    for opset in record.opsets:
        domain = "" if opset.domain in STANDARD_DOMAINS else opset.domain
        if opset.version < 1:
            raise ModelFormatError(
                f"{model}: opset {opset.version} does not exist. The file is damaged; fetch it again."
            )
        opsets[domain] = opset.version
    if opsets.get("", 1) > NEWEST_OPSET:
        raise UnsupportedOpError(
            f"{model}: the model is made for opset {opsets['']}, and intab knows the operators up to opset "
            f"{NEWEST_OPSET}. Export it for an older opset."
        )
    return opsets


def _initializers(graph: GraphRecord, model: str) -> dict[str, TensorRecord]:
    if graph.sparse_initializers:
        raise UnsupportedOpError(f"{model}: it has sparse weights. Export the model with dense ones.")
    found: dict[str, TensorRecord] = {}
    for tensor in graph.initializers:
        if not tensor.name or tensor.name in found:
            raise ModelFormatError(
                f"{model}: a weight's name, {tensor.name!r}, is empty or taken. The file is damaged; export it again."
            )
        found[tensor.name] = tensor
    return found
