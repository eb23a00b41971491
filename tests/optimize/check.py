"""How passes are tested: a graph as text, a pass, the operators that are left, and the same numbers as before."""

from collections.abc import Mapping

import numpy as np

from intab.backends.reference import evaluate
from intab.graph.dims import evaluate as evaluate_dim
from intab.graph.ir import Array, Graph, Value
from intab.graph.parse import parse_graph
from intab.ops.inference import infer
from intab.optimize import Pass, run_passes
from intab.target import WASM_SIMD, Target
from tests.agreement import assert_agree


def graph_of(text: str) -> Graph:
    """A graph written as text, types inferred where they are left out."""
    return parse_graph(text, infer=infer)


def apply(
    text: str | Graph,
    *passes: Pass,
    sizes: Mapping[str, int] | None = None,
    tolerance: float = 2e-6,
    target: Target = WASM_SIMD,
) -> Graph:
    """The graph after passes, verified, and compared on random feeds before and after."""
    graph = text if isinstance(text, Graph) else graph_of(text)
    changed, _ = run_passes(graph, passes, target, check=True)
    feeds = random_feeds(graph.inputs, sizes or {})
    assert_agree(evaluate(changed, feeds), evaluate(graph, feeds), tolerance)
    assert changed.output_names == graph.output_names
    assert [(v.name, v.shape, v.dtype) for v in changed.inputs] == [(v.name, v.shape, v.dtype) for v in graph.inputs]
    return changed


def operators(graph: Graph) -> list[str]:
    """The operators of a graph in order, a Fused node as those of its body."""
    return [_name(node.op, node.attributes.get("body"), node.attributes.get("epilogue")) for node in graph.nodes]


def _name(op: str, body: object, epilogue: object) -> str:
    if isinstance(body, Graph):
        return f"Fused[{' '.join(n.op for n in body.nodes)}]"
    return f"{op}[{' '.join(n.op for n in epilogue.nodes)}]" if isinstance(epilogue, Graph) else op


def random_feeds(inputs: tuple[Value, ...], sizes: Mapping[str, int]) -> dict[str, Array]:
    rng = np.random.default_rng(7)
    feeds: dict[str, Array] = {}
    for value in inputs:
        shape = [evaluate_dim(d, sizes) for d in value.shape]
        if value.dtype.is_float:
            feeds[value.name] = rng.standard_normal(shape).astype(value.dtype.numpy)
        else:
            feeds[value.name] = rng.integers(0, 2, shape).astype(value.dtype.numpy)
    return feeds
