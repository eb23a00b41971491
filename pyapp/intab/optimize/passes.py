"""What a pass is, and how passes are run."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from intab.errors import IntabError
from intab.graph.ir import Graph
from intab.graph.verify import verify
from intab.ops.inference import infer
from intab.target import Target


@dataclass(frozen=True, slots=True)
class Pass:
    """A change of a graph that keeps its meaning, within the tolerance that its docstring states.

    `run` gives back the graph itself when it finds nothing to do.
    """

    name: str
    run: Callable[[Graph, Target], Graph]


@dataclass(frozen=True, slots=True)
class Effect:
    """What one pass did: nodes before and after, and how long it took."""

    name: str
    nodes_before: int
    nodes_after: int
    elapsed_ms: float

    def __str__(self) -> str:
        return f"{self.name:24} {self.nodes_before:5} -> {self.nodes_after:5} nodes {self.elapsed_ms:8.1f} ms"


def run_passes(
    graph: Graph, passes: Sequence[Pass], target: Target, *, check: bool = False
) -> tuple[Graph, tuple[Effect, ...]]:
    """Run passes one after the other; also returns the effect of each.

    With `check` the graph is verified after every pass, and an error names the pass that broke it.
    """
    effects: list[Effect] = []
    for each in passes:
        before, began = len(graph.nodes), time.perf_counter()
        graph = each.run(graph, target)
        effects.append(Effect(each.name, before, len(graph.nodes), (time.perf_counter() - began) * 1000))
        if check:
            _verify_after(graph, each)
    return graph, tuple(effects)


def _verify_after(graph: Graph, run: Pass) -> None:
    try:
        verify(graph, infer)
    except IntabError as error:
        raise type(error)(f"after pass {run.name}: {error}") from error
