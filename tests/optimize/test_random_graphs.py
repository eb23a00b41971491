"""Random graphs mean the same after all passes."""

from collections.abc import Callable

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intab.dtypes import float32
from intab.graph.dims import symbol
from intab.graph.ir import Array, Attribute, Graph, Value
from intab.ops.builder import Builder
from intab.optimize import DEFAULT_PASSES
from tests.optimize.check import apply

Draw = Callable[[st.SearchStrategy], int]
UNARY = ["Relu", "Sigmoid", "Neg", "Abs", "HardSwish", "Tanh"]
BINARY = ["Add", "Sub", "Mul", "Maximum", "Minimum"]


class _Random:
    """Grows a graph of pictures [N, C, H, W] and what becomes of them, by drawn numbers."""

    def __init__(self, draw: Draw, seed: int) -> None:
        self.draw = draw
        self.rng = np.random.default_rng(seed)
        self.builder = Builder("random")
        shape = (symbol("N"), 4, symbol("H"), 6)
        self.values: list[Value] = [self.builder.input(name, float32, shape) for name in ("x", "z")]

    def number(self, below: int) -> int:
        return self.draw(st.integers(0, below - 1))

    def pick(self, rank: int | None = None) -> Value:
        fitting = [v for v in self.values if rank is None or v.rank == rank]
        return fitting[-1 - self.number(min(len(fitting), 5))]

    def constant(self, *shape: int) -> Value:
        numbers: Array = self.rng.standard_normal(shape).astype(np.float32)
        return self.builder.constant(numbers, "c")

    def grow(self) -> None:
        steps = [self.unary, self.binary, self.constant_factor, self.conv, self.depthwise, self.pool, self.reduce]
        steps += [self.transpose, self.reshape, self.concat, self.slice, self.softmax, self.attention, self.scaled]
        self.values.append(steps[self.number(len(steps))]())

    def unary(self) -> Value:
        return self.builder.emit(UNARY[self.number(len(UNARY))], self.pick())

    def binary(self) -> Value:
        left = self.pick()
        fitting = [v for v in self.values if v.rank == left.rank and _broadcast(v, left)]
        right = fitting[self.number(len(fitting))]
        pair = (left, right) if self.number(2) else (right, left)
        return self.builder.emit(BINARY[self.number(len(BINARY))], *pair)

    def constant_factor(self) -> Value:
        x = self.pick()
        axis = self.number(x.rank) if x.rank else 0
        size = x.shape[axis] if x.rank else 1
        shape = [1] * x.rank
        if isinstance(size, int) and x.rank:
            shape[axis] = size
        cut = self.number(axis + 1) if x.rank else 0
        c = self.constant(*shape[cut:]) if self.number(3) else self.constant()
        pair = (x, c) if self.number(2) else (c, x)
        return self.builder.emit(BINARY[self.number(len(BINARY))], *pair)

    def conv(self) -> Value:
        x = self.pick(4)
        if not isinstance(x.shape[1], int):
            return self.unary()
        size = 1 + 2 * self.number(2)
        w = self.constant(4, x.shape[1], size, size)
        bias = self.constant(4) if self.number(2) else None
        window: dict[str, Attribute] = {"pads": (size // 2,) * 4, "strides": (1, 1), "dilations": (1, 1), "group": 1}
        return self.builder.emit("Conv", x, w, bias, **window)

    def depthwise(self) -> Value:
        x = self.pick(4)
        channels = x.shape[1]
        if not isinstance(channels, int):
            return self.unary()
        window: dict[str, Attribute] = {"pads": (1, 1, 1, 1), "strides": (1, 1), "dilations": (1, 1), "group": channels}
        return self.builder.emit("Conv", x, self.constant(channels, 1, 3, 3), **window)

    def pool(self) -> Value:
        op = ["MaxPool", "AveragePool"][self.number(2)]
        window: dict[str, Attribute] = {"kernel": (3, 3), "pads": (1, 1, 1, 1), "strides": (1, 1), "dilations": (1, 1)}
        return self.builder.emit(op, self.pick(4), **window)

    def reduce(self) -> Value:
        x = self.pick()
        if x.rank < 2:
            return self.unary()
        axes = tuple(sorted({self.number(x.rank) for _ in range(2)}))
        keep = bool(self.number(3)) or len(axes) == x.rank
        op = ["ReduceMean", "ReduceMax", "ReduceSum"][self.number(3)]
        return self.builder.emit(op, x, axes=axes, keepdims=keep)

    def transpose(self) -> Value:
        x = self.pick()
        perms: dict[int, list[tuple[int, ...]]] = {
            4: [(0, 2, 3, 1), (0, 3, 1, 2), (3, 1, 0, 2)],
            3: [(0, 2, 1), (1, 0, 2)],
            2: [(1, 0)],
        }
        choices = perms.get(x.rank, [tuple(range(x.rank))])
        return self.builder.emit("Transpose", x, perm=choices[self.number(len(choices))])

    def reshape(self) -> Value:
        x = self.pick()
        if x.rank == 4:
            n, c, h, w = x.shape
            shape = [(n, c, h * w), (n, c, 1, h, w), (n * c, h, w), (n, c * h, w)][self.number(4)]
        elif x.rank == 3:
            n, c, w = x.shape
            shape = [(n, c, 1, w), (n, 1, c, w), (n * c, w)][self.number(3)]
        else:
            shape = (*x.shape, 1)
        return self.builder.emit("Reshape", x, shape=shape)

    def concat(self) -> Value:
        x = self.pick()
        fitting = [v for v in self.values if v.shape == x.shape]
        if x.rank == 0:
            return self.unary()
        other = fitting[self.number(len(fitting))]
        return self.builder.emit("Concat", x, other, axis=min(1, x.rank - 1))

    def slice(self) -> Value:
        x = self.pick()
        sizes, starts = list(x.shape), [0] * x.rank
        for axis, size in enumerate(x.shape):
            if isinstance(size, int) and size > 1 and self.number(2):
                starts[axis] = self.number(size - 1)
                sizes[axis] = size - starts[axis]
        return self.builder.emit("Slice", x, starts=tuple(starts), sizes=tuple(sizes), steps=(1,) * x.rank)

    def softmax(self) -> Value:
        x = self.pick()
        return self.builder.emit("Softmax", x, axis=self.number(x.rank)) if x.rank else self.unary()

    def attention(self) -> Value:
        x = self.pick()
        if x.rank < 2:
            return self.unary()
        perm = (*range(x.rank - 2), x.rank - 1, x.rank - 2)
        turned = self.builder.emit("Transpose", x, perm=perm)
        scaled = self.builder.emit("Mul", x, self.constant())
        return self.builder.emit("Softmax", self.builder.emit("MatMul", scaled, turned), axis=x.rank - 1)

    def scaled(self) -> Value:
        x = self.pick()
        columns = x.shape[-1] if x.rank > 1 else None
        if not isinstance(columns, int):
            return self.unary()
        product = self.builder.emit("MatMul", x, self.constant(columns, 5))
        return self.builder.emit("Add", product, self.constant(5))

    def graph(self) -> Graph:
        count = 1 + self.number(3)
        chosen = list(dict.fromkeys([self.values[-1], *(self.pick() for _ in range(count))]))
        return self.builder.graph((f"y{i}", v) for i, v in enumerate(chosen))


def _broadcast(a: Value, b: Value) -> bool:
    return all(m == n or m == 1 or n == 1 for m, n in zip(a.shape, b.shape, strict=True))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.integers(0, 2**16), st.integers(3, 18))
def test_random_graphs_keep_their_meaning(data: st.DataObject, seed: int, count: int) -> None:
    random = _Random(data.draw, seed)
    for _ in range(count):
        random.grow()
    sizes = {"N": 2, "H": 5}
    apply(random.graph(), *DEFAULT_PASSES, sizes=sizes, tolerance=1e-3)
