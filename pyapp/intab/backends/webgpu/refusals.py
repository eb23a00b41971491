"""What keeps a graph, or nodes of it, from a GPU: no kernel, kernels that WGSL cannot say, numbers of 64 bits."""

from intab.errors import UnsupportedOpError
from intab.graph.ir import Graph, Node
from intab.kernels.wgsl import generate
from intab.program.build import refusals as refused_by_kernels
from intab.program.wide_integers import beyond_32_bits
from intab.target import Target


def check(graph: Graph, target: Target) -> None:
    """Raise UnsupportedOpError, naming the first node, where a graph has numbers that a GPU has not."""
    strange = {
        node: f"there is no {value.dtype}"
        for node in graph.nodes
        for value in (*node.inputs, *node.outputs)
        if value is not None and not target.has_dtype(value.dtype)
    }
    what_next = 'Use backend="wasm" or "reference".'
    for node, reason in (strange | beyond_32_bits(graph)).items():
        where = f"{graph.name}: node {node.name or node.outputs[0].name!r} ({node.op})"
        raise UnsupportedOpError(f"{where}: {reason}, on a GPU. {what_next}")
    for value in (*graph.inputs, *graph.outputs):
        if not target.has_dtype(value.dtype):
            what = f"{graph.name}: {value.name!r} holds {value.dtype}, which a GPU has not."
            raise UnsupportedOpError(f"{what} {what_next}")


def refusals(graph: Graph, target: Target) -> dict[Node, str]:
    """The nodes that cannot run on a GPU beside others that run elsewhere, and why."""
    found = refused_by_kernels(graph, target, lambda kernel: generate(kernel, target))
    return found | beyond_32_bits(graph, alone=False)
