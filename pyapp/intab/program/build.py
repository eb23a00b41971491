"""Graph -> Program: every operator lowers itself to steps; this file gives them buffers, weights and words."""

import math
import struct
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace

from intab.dtypes import DType
from intab.errors import KernelError, UnsupportedOpError
from intab.graph.dims import Dim, Shape, product
from intab.graph.ir import Constant, Graph, Node, Value
from intab.kernels.ir import Kernel
from intab.kernels.numeric import is_numeric
from intab.ops.lowering import Place, Work
from intab.ops.packing import Packing
from intab.ops.pad import zero_border
from intab.ops.registry import operator_of_node
from intab.ops.ways import Ways
from intab.program.half_ranges import needing_float32
from intab.program.halves import in_halves
from intab.program.inside import Home, find_homes
from intab.program.ir import (
    ARENA,
    INPUTS,
    OUTPUTS,
    WEIGHTS,
    Buffer,
    Port,
    Product,
    Program,
    Reading,
    Segment,
    Step,
    Weight,
    Word,
)
from intab.target import HALVES, Target


def build(graph: Graph, target: Target) -> Program:
    """Compile an optimised graph. Raises UnsupportedOpError that names the node when one cannot be lowered."""
    building = _Building(graph, target)
    for node in graph.nodes:
        building.lower(node)
    program = building.program()
    return in_halves(program, building.exact()) if target.has(HALVES) else program


def refusals(graph: Graph, target: Target, check: Callable[[Kernel], object] = lambda kernel: None) -> dict[Node, str]:
    """The nodes of a graph that cannot be lowered for a target, each by itself, and why.

    `check` raises UnsupportedOpError for a kernel that the target's language cannot say.
    """
    building = _Building(graph, target)
    checked: dict[int, str] = {}
    found: dict[Node, str] = {}
    for node in graph.nodes:
        strange = [v for v in (*node.inputs, *node.outputs) if v is not None and not target.has_dtype(v.dtype)]
        if strange:
            found[node] = f"there is no {strange[0].dtype}"
            continue
        begin = len(building.steps)
        try:
            building.lower(node)
        except UnsupportedOpError as error:
            found[node] = str(error.__cause__ or error)
            continue
        kernels = list(building.kernels.values())
        for step in building.steps[begin:]:
            if step.kernel not in checked:
                checked[step.kernel] = _complaint(check, kernels[step.kernel][1])
            if checked[step.kernel]:
                found[node] = checked[step.kernel]
    return found


def _complaint(check: Callable[[Kernel], object], kernel: Kernel) -> str:
    try:
        check(kernel)
    except UnsupportedOpError as error:
        return str(error)
    return ""


@dataclass(slots=True)
class _Draft:
    """A buffer while steps are still being added. `last_step` grows with use."""

    region: int
    nbytes: Dim
    first_step: int
    last_step: int


@dataclass(slots=True)
class _DimTable:
    """Sizes numbered in the order they are first asked for; number 0 is the size 0."""

    numbers: dict[Dim, int] = field(default_factory=lambda: {0: 0})

    def number(self, dim: Dim) -> int:
        return self.numbers.setdefault(dim, len(self.numbers))


class _Building:
    """The `Lowering` that operators see, and the program that grows from their calls."""

    def __init__(self, graph: Graph, target: Target) -> None:
        self.graph = graph
        self.target = target
        self.node: Node | None = None
        # Families remember the kernels that they made, so that equal kernels are one object.
        self.kernels: dict[int, tuple[int, Kernel]] = {}
        self.written: set[Hashable] = set()
        self.steps: list[Step] = []
        self.ways: dict[int, Ways] = {}
        self.segments: list[Segment] = [Segment(0, 0)]
        self.drafts: list[_Draft] = []
        self.places: dict[Value, Place] = {}
        self.weights: dict[tuple[object, ...], Weight] = {}
        self.dims = _DimTable()
        self.homes = find_homes(graph, self)
        self.roots: dict[Value, int] = {}
        outputs = dict.fromkeys(graph.outputs)
        self.wanted = {value for value in outputs if value not in graph.inputs and not graph.constant_of(value)}
        self.scratches: set[int] = set()

    # -- what operators call

    def constant(self, value: Value | None) -> Constant | None:
        return self.graph.constant_of(value)

    def place(self, value: Value) -> Place:
        found = self.places.get(value)
        if found is not None:
            return found
        constant = self.graph.constant_of(value)
        if constant is not None:
            return self._weight((value,), "", constant.shape, None)
        home = self.homes.get(value) or Home(value, value.shape, 0, None)
        self.places[value] = Place(self._root(home.root, home.room), value.dtype, home.offset, home.layout)
        return self.places[value]

    def view(self, output: Value, source: Value) -> None:
        self.places[output] = replace(self.place(source), dtype=output.dtype)

    def weight(
        self,
        constants: tuple[Value, ...],
        name: str,
        shape: tuple[int, ...],
        pack: Packing,
        dtype: DType | None = None,
    ) -> Place:
        return self._weight(constants, name, shape, pack, dtype)

    def scratch(self, dtype: DType, count: Dim) -> Place:
        place = Place(self._buffer(ARENA, dtype, count), dtype)
        self.scratches.add(place.buffer)
        return place

    def step(
        self,
        kernel: Kernel,
        buffers: Mapping[str, Place],
        words: Mapping[str, Dim | float],
        items: Dim,
        *,
        work: Work | None = None,
        ways: Ways | None = None,
    ) -> None:
        if ways is not None:
            self.ways[len(self.steps)] = ways
        number = self._kernel(kernel)
        declared = [b.name for b in kernel.buffers] + [w.name for w in kernel.words]
        given = {*buffers, *words}
        if given != set(declared):
            raise KernelError(f"Kernel {kernel.name} takes {declared}; a step gave {sorted(given)}.")
        for name in buffers:
            draft = self.drafts[buffers[name].buffer]
            draft.first_step = min(draft.first_step, len(self.steps))
            draft.last_step = max(draft.last_step, len(self.steps))
        encoded = [self._buffer_word(buffers[b.name]) for b in kernel.buffers]
        encoded += [self._word(w.type.scalar, words[w.name]) for w in kernel.words]
        label = self.node.name or self.node.op if self.node else ""
        self.steps.append(Step(number, tuple(encoded), self.dims.number(items), label, work))

    def read_sizes(self, value: Value, symbols: tuple[str, ...]) -> None:
        """End the segment: from here on the elements of an integer value are known as these symbols."""
        place = self.place(value)
        self.drafts[place.buffer].last_step = max(self.drafts[place.buffer].last_step, len(self.steps))
        self.segments.append(Segment(len(self.steps), len(self.steps), (Reading(symbols, place.buffer, value.dtype),)))

    # -- the program

    def lower(self, node: Node) -> None:
        self.node = node
        for value in node.outputs:
            self._surround(value)
        try:
            operator_of_node(node).lower(self, node.inputs, node.outputs)
        except UnsupportedOpError as error:
            where = f"{self.graph.name}: node {node.name or node.outputs[0].name!r} ({node.op})"
            raise UnsupportedOpError(f"{where}: {error}") from error
        for value in node.outputs:
            draft = self.drafts[self.place(value).buffer]
            if value in self.wanted and draft.region == ARENA:  # a view of a value that was to be overwritten
                draft.region = OUTPUTS

    def program(self) -> Program:
        # Outputs first: one of them may be an input that no step reads, which gets its place here.
        outputs = tuple(
            Port(name, v.dtype, v.shape, self.place(v).buffer)
            for name, v in zip(self.graph.output_names, self.graph.outputs, strict=True)
        )
        inputs = tuple(
            Port(v.name, v.dtype, v.shape, self.places[v].buffer if v in self.places else -1) for v in self.graph.inputs
        )
        for port in (*inputs, *outputs):
            for dim in port.shape:
                self.dims.number(dim)
        ends = [s.first_step for s in self.segments[1:]] + [len(self.steps)]
        dims = [self.dims.number(draft.nbytes) for draft in self.drafts]
        return Program(
            self.graph.name,
            self.target,
            tuple(kernel for _, kernel in self.kernels.values()),
            tuple(self.steps),
            tuple(replace(s, end_step=end) for s, end in zip(self.segments, ends, strict=True)),
            tuple(Buffer(d.region, dim, d.first_step, d.last_step) for d, dim in zip(self.drafts, dims, strict=True)),
            tuple(self.weights.values()),
            inputs,
            outputs,
            tuple(self.dims.numbers),
            self.graph.equalities,
            tuple(kernel.name for _, kernel in self.kernels.values()),
            tuple(number for number, kernel in self.kernels.values() if is_numeric(kernel)),
            tuple(Product(step, ways.problem, ways.shape) for step, ways in self.ways.items()),
            self.ways,
        )

    def exact(self) -> set[int]:
        """The buffers that 16 bits are not enough for: sums on their way, and values too large or too exact."""
        needing = needing_float32(self.graph)
        return self.scratches | {self.places[value].buffer for value in needing if value in self.places}

    def _root(self, value: Value, room: Shape) -> int:
        """The buffer of a value that is not inside another, with room for its border."""
        if value not in self.roots:
            region = INPUTS if value in self.graph.inputs else OUTPUTS if value in self.wanted else ARENA
            self.roots[value] = self._buffer(region, value.dtype, product(room))
        return self.roots[value]

    def _surround(self, value: Value) -> None:
        """Before the first part of a value with a border is made, its border becomes zero."""
        home = self.homes.get(value)
        whole = self.homes.get(home.root) if home is not None else None
        if home is None or whole is None or whole.layout is None or home.root in self.roots:
            return
        buffer = Place(self._root(home.root, home.room), value.dtype)
        zero_border(self, buffer, home.root.shape, whole.layout.border)

    def _weight(
        self,
        constants: tuple[Value, ...],
        name: str,
        shape: tuple[int, ...],
        pack: Packing | None,
        dtype: DType | None = None,
    ) -> Place:
        key = (name, *constants)
        dtype = dtype or constants[0].dtype
        if key not in self.weights:
            numbers = tuple(c for c in (self.graph.constant_of(v) for v in constants) if c is not None)
            if len(numbers) != len(constants):
                raise KernelError(f"A weight was asked for of {constants}, which are not all constants.")
            self.weights[key] = Weight(self._buffer(WEIGHTS, dtype, math.prod(shape)), numbers, shape, pack)
        return Place(self.weights[key].buffer, dtype)

    def _buffer(self, region: int, dtype: DType, count: Dim) -> int:
        nbytes = count * self.target.stored_nbytes(dtype)
        self.drafts.append(_Draft(region, nbytes, len(self.steps), len(self.steps)))
        return len(self.drafts) - 1

    def _kernel(self, kernel: Kernel) -> int:
        return self.kernels.setdefault(id(kernel), (len(self.kernels), kernel))[0]

    def _buffer_word(self, place: Place) -> Word:
        return Word(0, self.dims.number(place.offset), place.buffer, self.target.stored_nbytes(place.dtype))

    def _word(self, scalar: str, value: Dim | float) -> Word:
        if scalar == "f32":
            if not isinstance(value, (int, float)):
                raise KernelError(f"A float word was given the size {value}.")
            return Word(struct.unpack("<i", struct.pack("<f", value))[0], 0)
        if isinstance(value, float):
            raise KernelError(f"An integer word was given the float {value}.")
        return Word(0, self.dims.number(value))
