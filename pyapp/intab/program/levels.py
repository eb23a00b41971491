"""Where the nodes of a graph run when one device cannot do them all: levels that take turns between two devices."""

from collections.abc import Iterable, Mapping, Sequence
from math import prod

from intab.errors import ShapeError
from intab.graph.dims import Dim, DimExpr, Shape, evaluate, symbols_of
from intab.graph.ir import Attribute, Graph, Node, Value, producers

# A node that reads and makes no more elements than this may go to another device to save a crossing: it takes about
# a millisecond there, and a crossing is not faster. Products do much more with each element.
FEW_ELEMENTS = 2**20
FEW_ELEMENTS_OF_PRODUCTS = 2**17
# All nodes of a part that another device takes over, to save two crossings, read and make no more than this.
FEW_ELEMENTS_OF_A_PART = 4 * FEW_ELEMENTS
PRODUCTS = frozenset({"MatMul", "IntegerMatMul", "Attention", "Conv", "ConvTranspose", "IntegerConv"})
# Sizes that are not known: the first axis of an input is usually a batch, the others length, height and width.
ASSUMED_FIRST, ASSUMED_OTHER = 1, 256
MOST_SWEEPS = 4


class Whole:
    """A graph's nodes that have to run, and what each of them waits for."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._told = {name for value in graph.inputs for dim in value.shape for name in symbols_of(dim)}
        made_by = producers(graph.nodes)
        self.nodes = self._needed(made_by)
        self.late = _late_symbols(graph, self.nodes)
        self.waits: dict[Node, set[Node]] = {}
        self.followers: dict[Node, set[Node]] = {node: set() for node in self.nodes}
        self.readers: dict[Value, list[Node]] = {}
        self.made_by = {v: n for v, n in made_by.items() if n in self.followers}
        for node in self.nodes:
            before = {self.late[s] for s in _symbols_of_node(node) if s in self.late}
            for value in self.crossing(node):
                self.readers.setdefault(value, []).append(node)
                before |= {self.made_by[value]} if value in self.made_by else set()
            self.waits[node] = before - {node}
            for other in self.waits[node]:
                self.followers[other].add(node)
        self._elements: dict[Value, int] = {}
        self._assumed: dict[str, int] = {}
        for value in graph.inputs:
            for axis, dim in enumerate(value.shape):
                for name in symbols_of(dim):
                    self._assumed.setdefault(name, ASSUMED_OTHER if axis else ASSUMED_FIRST)

    def is_size(self, value: Value) -> bool:
        """Whether a value's numbers follow from the sizes of what is fed."""
        if value.elements is None or not value.dtype.is_integer:
            return False
        return all(symbols_of(element) <= self._told for element in value.elements)

    def crossing(self, node: Node) -> list[Value]:
        """What a node reads that has to be brought to it."""
        constants = self.graph.constants
        return [v for v in node.inputs if v is not None and v.name not in constants and not self.is_size(v)]

    def _needed(self, made_by: Mapping[Value, Node]) -> list[Node]:
        """The nodes that have to run for the outputs: what these follow from, and what tells the sizes in between."""
        outputs = self.graph.outputs
        late = _late_symbols(self.graph, self.graph.nodes)
        names = {name for value in outputs for dim in value.shape for name in symbols_of(dim)}
        waiting = [made_by.get(value) for value in outputs if not self.is_size(value)] + [late.get(n) for n in names]
        needed: set[Node] = set()
        while waiting:
            node = waiting.pop()
            if node is None or node in needed:
                continue
            needed.add(node)
            waiting += [made_by.get(value) for value in self.crossing(node)]
            waiting += [late.get(name) for name in _symbols_of_node(node)]
        return [node for node in self.graph.nodes if node in needed]

    def elements(self, value: Value) -> int:
        """About how many elements a value has."""
        if value not in self._elements:
            self._elements[value] = self._count(value)
        return self._elements[value]

    def _count(self, value: Value) -> int:
        names = {name for dim in value.shape for name in symbols_of(dim)}
        sizes = dict.fromkeys(names, ASSUMED_OTHER) | self._assumed
        try:
            return prod(max(1, evaluate(dim, sizes)) for dim in value.shape)
        except ShapeError:  # a division by zero, say
            return 1

    def is_small(self, node: Node) -> bool:
        """Whether a node is worth no crossing: few elements, and no weights, with which it may do much for each."""
        if node.op == "Shape":
            return True
        weights = (v for v in node.inputs if v is not None and v.rank > 1 and v.name in self.graph.constants)
        if any(v.dtype.is_float for v in weights):
            return False
        return self.touched(node) <= (FEW_ELEMENTS_OF_PRODUCTS if node.op in PRODUCTS else FEW_ELEMENTS)

    def touched(self, node: Node) -> int:
        """About how many elements a node reads and makes."""
        return sum(map(self.elements, {v for v in (*node.inputs, *node.outputs) if v is not None}))


class Levels:
    """Nodes of two colours on levels that take turns in colour: each level is a part.

    `refused` must not run on the first device; what `unwanted` names has no place on the second. With `keep` the first
    device has what it can run where all else would go to the second, too, since it is small.
    """

    def __init__(
        self, whole: Whole, nodes: Sequence[Node], refused: set[Node], unwanted: Mapping[Node, str], *, keep: bool
    ) -> None:
        self._whole = whole
        self._nodes = nodes
        self._members = set(nodes)
        self._refused = refused
        self._flexible = {n for n in nodes if n not in refused and n not in unwanted and whole.is_small(n)}
        self._keep = keep
        self._second = set(refused)
        self._level: dict[Node, int] = {}
        self._start = 0
        self._top = 0
        self._settle()
        if keep and len(self._second) == len(self._nodes):
            self._second, self._flexible = set(refused), set()
            self._settle()

    def groups(self) -> list[tuple[bool, list[Node]]]:
        """(is it for the first device, its nodes) of each level, in the order in which they run."""
        last = max(self._level.values())
        found: list[list[Node]] = [[] for _ in range(last + 1)]
        for node in self._nodes:
            found[self._level[node]].append(node)
        return [(not self._is_second(level), group) for level, group in enumerate(found)]

    def _settle(self) -> None:
        self._number()
        self._absorb()
        for _ in range(MOST_SWEEPS):
            if not self._sweep():
                break
            if self._has_gap():
                self._number()

    def _is_second(self, level: int) -> bool:
        return (level + self._start) % 2 == 1

    def _number(self) -> None:
        """Each node as early as it can be, with the fewest levels."""
        tried = [self._numbered(start) for start in (0, 1)]
        self._start = min((0, 1), key=lambda start: max(tried[start].values()))
        self._level = tried[self._start]

    def _numbered(self, start: int) -> dict[Node, int]:
        level: dict[Node, int] = {}
        for node in self._nodes:
            second = node in self._second
            earliest = int(second != (start == 1))
            for other in self._whole.waits[node] & self._members:
                earliest = max(earliest, level[other] + ((other in self._second) != second))
            level[node] = earliest
        return level

    def _absorb(self) -> None:
        """Give the second device levels of the first that hold small nodes only, as long as others stay there."""
        while True:
            groups = self.groups()
            small = [group for is_first, group in groups if is_first and group and self._is_small(group)]
            firsts = sum(1 for is_first, group in groups if is_first and group)
            if not small or (firsts == 1 and self._keep):
                return
            self._second |= set(small[0])
            self._number()

    def _is_small(self, group: list[Node]) -> bool:
        return self._flexible.issuperset(group) and sum(map(self._whole.touched, group)) <= FEW_ELEMENTS_OF_A_PART

    def _sweep(self) -> bool:
        """Put every node on the level where least crosses on its account, from the last to the first and back."""
        moved = False
        self._top = max(self._level.values())
        for node in (*reversed(self._nodes), *self._nodes):
            here = self._level[node]
            best = min(self._choices(node), key=lambda level: (self._cost(node, level), level != here))
            self._level[node] = best
            moved = moved or best != here
        self._second = {node for node in self._nodes if self._is_second(self._level[node])}
        return moved

    def _choices(self, node: Node) -> list[int]:
        earliest = max((self._level[n] for n in self._whole.waits[node] & self._members), default=0)
        latest = min((self._level[n] for n in self._whole.followers[node] & self._members), default=self._top)
        step = 1 if node in self._flexible else 2
        here = self._level[node]
        return [level for level in range(earliest, latest + 1) if (level - here) % step == 0]

    def _cost(self, node: Node, level: int) -> int:
        """Elements that cross between levels if the node is on this one, of the values that it reads and makes."""
        here, self._level[node] = self._level[node], level
        read = set(self._whole.crossing(node))
        cost = sum(self._whole.elements(v) * self._crossings(v) for v in (*read, *node.outputs))
        self._level[node] = here
        return cost

    def _crossings(self, value: Value) -> int:
        levels = {self._level[n] for n in self._whole.readers.get(value, ()) if n in self._members}
        maker = self._whole.made_by.get(value)
        return len(levels - {self._level[maker]} if maker in self._members and maker is not None else levels)

    def _has_gap(self) -> bool:
        return len(set(self._level.values())) <= max(self._level.values())


def _late_symbols(graph: Graph, nodes: Iterable[Node]) -> dict[str, Node]:
    """The sizes that no input tells, and the node from which each becomes known: the first that has it."""
    known = {name for value in graph.inputs for dim in value.shape for name in symbols_of(dim)}
    found: dict[str, Node] = {}
    for node in nodes:
        for value in node.outputs:
            for name in {name for dim in value.shape for name in symbols_of(dim)} - known:
                found.setdefault(name, node)
    return found


def _symbols_of_node(node: Node) -> set[str]:
    dims = [dim for v in (*node.inputs, *node.outputs) if v is not None for dim in _dims_of(v)]
    dims += [dim for attribute in node.attributes.values() for dim in _dims_within(attribute)]
    return {name for dim in dims for name in symbols_of(dim)}


def _dims_of(value: Value) -> Shape:
    return (*value.shape, *(value.elements or ()))


def _dims_within(attribute: Attribute) -> Iterable[Dim]:
    if isinstance(attribute, DimExpr):
        yield attribute
    elif isinstance(attribute, tuple):
        for one in attribute:
            yield from _dims_within(one)
