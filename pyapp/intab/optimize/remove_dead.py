"""Dropping what nobody uses."""

from intab.graph.ir import Graph
from intab.optimize.editor import Editor
from intab.optimize.passes import Pass
from intab.target import Target


def _run(graph: Graph, _target: Target) -> Graph:
    editor = Editor(graph)
    for old in graph.nodes:
        node = editor.current(old)
        if node is not None:
            editor.keep(old, node)
    return editor.end()


REMOVE_DEAD = Pass("remove_dead", _run)
"""a = f(x); b = g(x); return b   ->   b = g(x); return b

Nodes and constants whose outputs reach no output of the graph go. Exact. Every other pass does the same as it
walks; this one is for graphs as they are read.
"""
