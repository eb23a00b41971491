"""Running what operators lower themselves to, step by step, by the interpreter of kernels."""

import math
from collections.abc import Hashable, Mapping

import numpy as np

from intab.dtypes import DType
from intab.graph.dims import Dim, evaluate, product
from intab.graph.ir import Constant, Graph, Value
from intab.kernels import interpret
from intab.kernels.ir import Kernel
from intab.ops.lowering import Place, Work
from intab.ops.packing import Packing
from intab.ops.registry import operator_of_node
from intab.ops.ways import Ways
from intab.target import WASM_SIMD, Target
from tests.ops.case import Numbers

# Vectors may be read past a buffer's end by less than a cache line.
SPARE_NBYTES = 64


class InterpretedLowering:
    """The `Lowering` of one graph whose steps run at once, on numpy buffers, at known sizes.

    What a step may read is what was written or fed: buffers start as NaN or as an odd number.
    """

    def __init__(
        self,
        graph: Graph,
        bindings: Mapping[str, int],
        feeds: Mapping[str, Numbers],
        target: Target = WASM_SIMD,
    ) -> None:
        self.target = target
        self.written: set[Hashable] = set()
        self.step_count = 0
        self.kernels: list[Kernel] = []
        self._graph = graph
        self._bindings = bindings
        self._buffers: list[Numbers] = []
        self._places: dict[Value, Place] = {}
        for value in graph.inputs:
            self._places[value] = self._filled(value.dtype, feeds[value.name])
        for node in graph.nodes:
            operator_of_node(node).lower(self, node.inputs, node.outputs)

    def result(self, value: Value) -> Numbers:
        """The numbers of a value."""
        place = self.place(value)
        first = self._number(place.offset)
        shape = [self._number(dim) for dim in value.shape]
        return self._buffers[place.buffer][first : first + math.prod(shape)].reshape(shape)

    def constant(self, value: Value | None) -> Constant | None:
        return self._graph.constant_of(value)

    def place(self, value: Value) -> Place:
        if value not in self._places:
            constant = self._graph.constant_of(value)
            made = self.scratch(value.dtype, product(value.shape)) if constant is None else None
            self._places[value] = made or self._filled(value.dtype, self._numbers(value))
        return self._places[value]

    def view(self, output: Value, source: Value) -> None:
        assert self._number(product(output.shape)) == self._number(product(source.shape))
        self._places[output] = self.place(source)

    def weight(
        self,
        constants: tuple[Value, ...],
        name: str,
        shape: tuple[int, ...],
        pack: Packing,
        dtype: DType | None = None,
    ) -> Place:
        packed = np.asarray(pack(*map(self._numbers, constants)))
        assert packed.size == math.prod(shape), f"{name}: announced as {shape}, packed as {packed.shape}"
        return self._filled(dtype or constants[0].dtype, packed)

    def scratch(self, dtype: DType, count: Dim) -> Place:
        spare = SPARE_NBYTES // dtype.itemsize
        odd = math.nan if dtype.is_float else 1 if dtype.kind == "bool" else 77
        self._buffers.append(np.full(self._number(count) + spare, odd, dtype.numpy))
        return Place(len(self._buffers) - 1, dtype)

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
        assert {*buffers, *words} == {b.name for b in kernel.buffers} | {w.name for w in kernel.words}
        for buffer in kernel.buffers:
            assert buffers[buffer.name].dtype.name == buffer.dtype, f"{kernel.name}: {buffer.name}"
        self._check_rules(kernel, buffers)
        numbers = {name: word if isinstance(word, float) else self._number(word) for name, word in words.items()}
        arrays = {name: self._buffers[place.buffer] for name, place in buffers.items()}
        offsets = {name: self._number(place.offset) for name, place in buffers.items()}
        interpret.run(kernel, arrays, offsets, numbers, 0, self._number(items))
        self.step_count += 1
        self.kernels.append(kernel)

    def _check_rules(self, kernel: Kernel, buffers: Mapping[str, Place]) -> None:
        """What the target asks of a step: few enough buffers, and none written that is known under another name."""
        most = self.target.most_buffers
        assert not most or len(kernel.buffers) <= most, f"{kernel.name} has {len(kernel.buffers)} buffers"
        if self.target.may_alias:
            return
        for written in (b.name for b in kernel.buffers if b.access != "read"):
            shared = [name for name, place in buffers.items() if place.buffer == buffers[written].buffer]
            assert shared == [written], f"{kernel.name} writes {written}, which it also knows as {shared}"

    def read_sizes(self, value: Value, symbols: tuple[str, ...]) -> None:
        raise AssertionError("No operator here has sizes that depend on data.")

    def _number(self, dim: Dim) -> int:
        return evaluate(dim, self._bindings)

    def _numbers(self, value: Value) -> Numbers:
        return self._graph.constants[value.name].numpy()

    def _filled(self, dtype: DType, array: Numbers) -> Place:
        place = self.scratch(dtype, array.size)
        self._buffers[place.buffer][: array.size] = array.reshape(-1)
        return place
