"""Models that a GPU cannot run whole: parts on the GPU, the others by WebAssembly, or by numpy where it must be.

Imported where it is asked for.
"""

from collections.abc import Callable
from dataclasses import replace

from intab.backends.engine import Executable
from intab.backends.mixed import MixedExecutable, Ready
from intab.backends.reference import ReferenceExecutable
from intab.graph.ir import Graph
from intab.program import build
from intab.program.partition import Part, Way, partition
from intab.runtime.back_end import BackEnd, Progress

REFERENCE = "reference"


async def prepare_parts(
    graph: Graph, preferred: BackEnd, other: BackEnd, release: Callable[[], None], progress: Progress
) -> tuple[Executable, tuple[str, ...]]:
    """An optimised graph on two back ends and, where neither can run a node, numpy; and what is to be said of it.

    `release` lets go of the model's bytes; it is called at once if nothing reads them at runs, else by `dispose`.
    Raises what compiling and preparing raise; then nothing is left behind.
    """
    ways = *(Way(one.name, one.refusals(graph)) for one in (preferred, other)), Way(REFERENCE, {})
    back_ends = {preferred.name: preferred, other.name: other}
    parts = partition(graph, ways)
    ready: list[Ready] = []
    try:
        for part in parts:
            executable = await _prepared(part, back_ends, progress)
            # Without its nodes and numbers, which hold the model's bytes.
            ready.append(Ready(replace(part, graph=part.graph.signature()), executable))
    except BaseException:
        for one in ready:
            one.executable.dispose()
        raise
    reads_at_runs = any(part.way == REFERENCE for part in parts)
    if not reads_at_runs:
        release()
    mixed = MixedExecutable(graph, ready, release if reads_at_runs else lambda: None)
    return mixed, tuple(describe(part, number, len(parts)) for number, part in enumerate(parts, 1))


async def _prepared(part: Part, back_ends: dict[str, BackEnd], progress: Progress) -> Executable:
    back_end = back_ends.get(part.way)
    if back_end is None:
        return ReferenceExecutable(part.graph)
    program = build(part.graph, back_end.target)
    return await back_end.prepare(program, back_end.module_of(program), progress)


def describe(part: Part, number: int, count: int) -> str:
    """What a part is and why it is not part of another, in one line."""
    nodes = [node for node in part.graph.nodes if not set(part.sizes) & {value.name for value in node.outputs}]
    names = list(dict.fromkeys(node.name or node.outputs[0].name for node in (nodes[0], nodes[-1])))
    of = f"{len(nodes)} node{'s' if len(nodes) > 1 else ''}, {' to '.join(map(repr, names))}"
    why = f", since {part.why[0]}" if part.why else ""
    more = f" (and {len(part.why) - 1} more nodes)" if len(part.why) > 1 else ""
    return f"part {number} of {count} on {part.way}: {of}{why}{more}"
