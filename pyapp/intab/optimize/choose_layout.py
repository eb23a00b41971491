"""The order of axes that kernels like best.

Each value may exist in two orders: *plain*, as the graph declares it, and *last*, with the axis of channels
moved behind the others ([N, C, H, W] as [N, H, W, C]). The walk keeps for each value of the old graph which
of the two the new graph has, and makes the other only when somebody insists on it.
"""

from collections.abc import Callable

from intab.graph.dims import Shape
from intab.graph.ir import Attribute, Graph, Node, Value
from intab.optimize.bodies import is_elementwise
from intab.optimize.constants import reshaped, transposed
from intab.optimize.editor import Writer
from intab.optimize.passes import Pass
from intab.target import Target


def _run(graph: Graph, target: Target) -> Graph:
    if target.layout != "NHWC" or not any(node.op in ANCHORS for node in graph.nodes):
        return graph
    layout = _Layout(graph)
    for old in graph.nodes:
        layout.node(old)
    return layout.finish()


def to_last(rank: int) -> tuple[int, ...]:
    """The permutation that moves the channels from axis 1 to the end."""
    return (0, *range(2, rank), 1)


def to_plain(rank: int) -> tuple[int, ...]:
    """The permutation that undoes `to_last`."""
    return (0, rank - 1, *range(1, rank - 1))


class _Layout:
    """What the walk knows: the new graph, and the values of the old one in either order."""

    def __init__(self, graph: Graph) -> None:
        self.writer = Writer(graph)
        self._plain: dict[Value, Value] = {}
        self._last: dict[Value, Value] = {}
        self._node: Node = Node("", (), ())

    def node(self, old: Node) -> None:
        """Take one node over, in the order that suits it."""
        self._node = old
        handler = HANDLERS.get(old.op) or (_elementwise if is_elementwise(old) else None)
        if handler is not None and handler(self, old):
            return
        inputs = tuple(None if v is None else self.plain(v) for v in old.inputs)
        unchanged = all(a is b for a, b in zip(inputs, old.inputs, strict=True))
        node = old if unchanged else Node(old.op, inputs, old.outputs, old.attributes, old.name)
        self.writer.take(old, node)

    def finish(self) -> Graph:
        """The new graph, its outputs in plain order."""
        outputs: list[Value] = []
        for value in self.writer.graph.outputs:
            self._node = Node("", (), (value,), {}, value.name)
            outputs.append(self.plain(value))
        return self.writer.finish(outputs)

    # Values in either order

    def has_plain(self, value: Value) -> bool:
        return value in self._plain or value not in self._last

    def has_last(self, value: Value) -> bool:
        return value in self._last

    def plain(self, value: Value) -> Value:
        """A value of the old graph in plain order."""
        if value in self._plain:
            return self._plain[value]
        last = self._last.get(value)
        if last is None:
            return self.writer.mapped(value)
        self._plain[value] = self._moved(last, to_plain(value.rank))
        return self._plain[value]

    def last(self, value: Value) -> Value:
        """A value of the old graph with its channels last."""
        if value not in self._last:
            self._plain[value] = self.plain(value)
            self._last[value] = self._moved(self._plain[value], to_last(value.rank))
        return self._last[value]

    def _moved(self, value: Value, perm: tuple[int, ...]) -> Value:
        """A value with its axes in another order: of a constant the constant, else a Transpose or Reshape."""
        constant = self.writer.constant(value)
        if constant is not None:
            return self.writer.add_constant(transposed(constant, perm, value.name), value.name)
        moved = [axis for axis in perm if value.shape[axis] != 1]
        if moved == sorted(moved):
            return self.emit("Reshape", value, shape=tuple(value.shape[axis] for axis in perm))
        return self.emit("Transpose", value, perm=perm)

    # What handlers do

    def emit(self, op: str, *inputs: Value | None, **attributes: Attribute) -> Value:
        return self.writer.emit(op, *inputs, like=self._node, **attributes)

    def give_last(self, old: Node, op: str, *inputs: Value | None, **attributes: Attribute) -> bool:
        """Put a node in the place of an old one that makes its output with channels last."""
        self._last[old.output] = self.emit(op, *inputs, **attributes)
        return True

    def give_plain(self, old: Node, value: Value) -> bool:
        self._plain[old.output] = value
        return True

    def give(self, old: Node, last: Value) -> bool:
        """Say that a value there is already is an old output with its channels last."""
        self._last[old.output] = last
        return True


Handler = Callable[[_Layout, Node], bool]


def _input(node: Node) -> Value:
    value = node.inputs[0]
    assert value is not None
    return value


def _only_last(layout: _Layout, value: Value) -> bool:
    """Is there a value of rank 3 or more that exists only with its channels last?"""
    return value.rank >= 3 and layout.has_last(value) and not layout.has_plain(value)


def _anchor(layout: _Layout, old: Node) -> bool:
    """Convolutions and poolings run with channels last."""
    if old.attributes.get("layout", "NCHW") != "NCHW" or old.attributes.get("epilogue") is not None:
        return False
    x, *others = old.inputs
    assert x is not None
    inputs = [layout.last(x), *(None if v is None else layout.plain(v) for v in others)]
    if old.op in ("Conv", "IntegerConv") and others[0] is not None:
        inputs[1] = layout.last(others[0])
    return layout.give_last(old, old.op, *inputs, **{**old.attributes, "layout": "NHWC"})


def _resize(layout: _Layout, old: Node) -> bool:
    """Resizing happens axis by axis, in any order."""
    x = _input(old)
    if not _only_last(layout, x):
        return False
    perm = to_last(x.rank)
    changes = {key: _permuted(old.attributes.get(key, ()), perm) for key in ("sizes", "scales")}
    return layout.give_last(old, "Resize", layout.last(x), **{**old.attributes, **changes})


def _permuted(values: Attribute, perm: tuple[int, ...]) -> Attribute:
    assert isinstance(values, tuple)
    return tuple(values[axis] for axis in perm) if values else ()


def _batch_norm(layout: _Layout, old: Node) -> bool:
    x, *parameters = old.inputs
    if x is None or not _only_last(layout, x) or old.attributes.get("layout", "NCHW") != "NCHW":
        return False
    inputs = (layout.last(x), *(None if v is None else layout.plain(v) for v in parameters))
    return layout.give_last(old, "BatchNorm", *inputs, **{**old.attributes, "layout": "NHWC"})


def _elementwise(layout: _Layout, old: Node) -> bool:
    """Elementwise work follows an input that is there only with channels last."""
    rank = old.output.rank
    values = [v for v in old.inputs if v is not None]
    if not any(v.rank == rank and _only_last(layout, v) for v in values):
        return False
    inputs = tuple(None if v is None else _broadcast_last(layout, v, rank) for v in old.inputs)
    return layout.give_last(old, old.op, *inputs, **old.attributes)


def _broadcast_last(layout: _Layout, value: Value, rank: int) -> Value:
    """A value that broadcasts to a plain shape, so that it broadcasts to the shape with channels last."""
    if value.rank == rank:
        return layout.last(value)
    if all(dim == 1 for dim in value.shape):
        return layout.plain(value)
    plain = layout.plain(value)
    shape: Shape = (*(1,) * (rank - value.rank), *value.shape)
    constant = layout.writer.constant(plain)
    if constant is not None:
        whole = tuple(d for d in shape if isinstance(d, int))
        perm = to_last(rank)
        wide = transposed(reshaped(constant, whole), perm, value.name)
        return layout.writer.add_constant(wide, value.name)
    wide_value = layout.emit("Reshape", plain, shape=shape)
    moved = [axis for axis in to_last(rank) if shape[axis] != 1]
    if moved == sorted(moved):
        return layout.emit("Reshape", wide_value, shape=tuple(shape[axis] for axis in to_last(rank)))
    return layout.emit("Transpose", wide_value, perm=to_last(rank))


def _reduce(layout: _Layout, old: Node) -> bool:
    """Reductions take any axes; what is left must be in one of the two orders."""
    x, axes = _input(old), old.attributes["axes"]
    assert isinstance(axes, tuple)
    if not _only_last(layout, x):
        return False
    perm = to_last(x.rank)
    dropped = {axis for axis in axes if isinstance(axis, int)}
    moved = tuple(place for place, axis in enumerate(perm) if axis in dropped)
    if old.attributes["keepdims"]:
        return layout.give_last(old, old.op, layout.last(x), **{**old.attributes, "axes": moved})
    left = [axis for axis in perm if axis not in dropped]
    if left != sorted(left):
        return False
    return layout.give_plain(old, layout.emit(old.op, layout.last(x), **{**old.attributes, "axes": moved}))


def _along_axis(layout: _Layout, old: Node) -> bool:
    """Softmax and its like work along one axis, wherever it is; Concat and Shuffle too."""
    values = [v for v in old.inputs if v is not None]
    axis, rank = old.attributes["axis"], old.output.rank
    assert isinstance(axis, int)
    if not any(_only_last(layout, v) for v in values):
        return False
    moved = to_last(rank).index(axis % rank)
    return layout.give_last(old, old.op, *map(layout.last, values), **{**old.attributes, "axis": moved})


def _per_axis(*keys: str) -> Handler:
    """Slices and borders say something of each axis; the says move with the axes."""

    def handler(layout: _Layout, old: Node) -> bool:
        x = _input(old)
        if not _only_last(layout, x):
            return False
        perm, rank = to_last(x.rank), x.rank
        changes: dict[str, Attribute] = {}
        for key in keys:
            values = old.attributes[key]
            assert isinstance(values, tuple)
            # Pads hold all begins, then all ends.
            runs = [values[i : i + rank] for i in range(0, len(values), rank)]
            changes[key] = tuple(run[axis] for run in runs for axis in perm)
        return layout.give_last(old, old.op, layout.last(x), **{**old.attributes, **changes})

    return handler


def _reshape(layout: _Layout, old: Node) -> bool:
    """Batch and channels stay, spatial axes merge or split: the same happens before the channels."""
    x, shape = _input(old), old.output.shape
    if not _only_last(layout, x):
        return False
    keeps = len(shape) >= 2 and shape[:2] == x.shape[:2]
    if not keeps:
        return False
    last = layout.last(x)
    if len(shape) == 2:
        return layout.give_plain(old, layout.emit("Reshape", last, shape=shape))
    return layout.give_last(old, "Reshape", last, shape=(shape[0], *shape[2:], shape[1]))


def _transpose(layout: _Layout, old: Node) -> bool:
    """A transposition between the two orders is one that the walk gets for nothing."""
    x, perm = _input(old), old.attributes["perm"]
    if x.rank < 3:
        return False
    if perm == to_last(x.rank):
        return layout.give_plain(old, layout.last(x))
    if perm == to_plain(x.rank) and layout.has_plain(x):
        return layout.give(old, layout.plain(x))
    if not _only_last(layout, x):
        return False
    assert isinstance(perm, tuple)
    order = to_plain(x.rank)
    both = tuple(order[axis] for axis in perm if isinstance(axis, int))
    return layout.give_plain(old, layout.emit("Transpose", layout.last(x), perm=both))


ANCHORS: dict[str, Handler] = dict.fromkeys(("Conv", "IntegerConv", "ConvTranspose", "MaxPool", "AveragePool"), _anchor)

HANDLERS: dict[str, Handler] = {
    **ANCHORS,
    **dict.fromkeys(("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"), _reduce),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Concat", "Shuffle"), _along_axis),
    "Resize": _resize,
    "BatchNorm": _batch_norm,
    "Slice": _per_axis("starts", "sizes", "steps"),
    "Pad": _per_axis("pads"),
    "Reshape": _reshape,
    "Transpose": _transpose,
}

CHOOSE_LAYOUT = Pass("choose_layout", _run)
"""relu(conv(x))   ->   transpose(relu(conv(transpose(x), layout=NHWC)))

For targets that like channels last. Convolutions and poolings of any spatial rank ask for it; elementwise work,
reductions, softmax, concatenation, shuffles, slices, borders, resizing and reshapes that leave batch and channels alone
follow an input that exists only so; everything else, and the outputs of the graph, get the declared order
through one transposition per value (a Reshape where only axes of size 1 move). Constants are transposed when
they are read. Transpositions of the model itself between the two orders vanish. Exact, but for the order of
summation within convolutions and reductions.
"""
