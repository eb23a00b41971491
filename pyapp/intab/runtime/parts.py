"""Models that a GPU cannot run whole: parts on the GPU, the others by WebAssembly, or by numpy where it must be.

Imported where it is asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from intab.backends.engine import Executable
from intab.backends.mixed import MixedExecutable, Ready
from intab.backends.reference import ReferenceExecutable
from intab.graph.ir import Graph
from intab.program import build
from intab.program.partition import Part, Way, partition
from intab.program.serialize import StoredProgram
from intab.program.stored_parts import StoredPart, StoredParts
from intab.runtime.back_end import BackEnd, Progress

REFERENCE = "reference"
Judge = Callable[[Sequence[Part]], None]


def compile_parts(
    graph: Graph, better: Graph, preferred: BackEnd, other: BackEnd, judge: Judge | None = None
) -> StoredParts:
    """Optimised graph -> programs for two back ends and, of nodes that neither can run, graphs for numpy.

    Raises what building raises, and what `judge` raises for parts that are not worth running.
    """
    ways = *(Way(one.name, one.refusals(better)) for one in (preferred, other)), Way(REFERENCE, {})
    back_ends = {preferred.name: preferred, other.name: other}
    parts = partition(better, ways)
    if judge is not None:
        judge(parts)
    stored = [_compiled(part, back_ends, describe(part, number, len(parts))) for number, part in enumerate(parts, 1)]
    return StoredParts(graph, better.signature(), tuple(stored))


def _compiled(part: Part, back_ends: Mapping[str, BackEnd], note: str) -> StoredPart:
    back_end = back_ends.get(part.way)
    if back_end is None:
        return StoredPart(part, None, note)
    program, signature = build(part.graph, back_end.target), part.graph.signature()
    return StoredPart(
        replace(part, graph=signature), StoredProgram(program, back_end.module_of(program), signature), note
    )


async def prepare_parts(
    stored: StoredParts, preferred: BackEnd, other: BackEnd, release: Callable[[], None], progress: Progress
) -> Executable:
    """Bring all parts onto their devices.

    `release` lets go of the model's bytes; it is called at once if nothing reads them at runs, else by `dispose`.
    Raises what preparing raises; then nothing is left behind.
    """
    back_ends = {preferred.name: preferred, other.name: other}
    ready: list[Ready] = []
    try:
        for one in stored.parts:
            if one.stored is None:
                ready.append(Ready(one.part, ReferenceExecutable(one.part.graph)))
                continue
            back_end = back_ends[one.part.way]
            ready.append(Ready(one.part, await back_end.prepare(one.stored.program, one.stored.module, progress)))
    except BaseException:
        for made in ready:
            made.executable.dispose()
        raise
    reads_at_runs = any(one.stored is None for one in stored.parts)
    if not reads_at_runs:
        release()
    return MixedExecutable(stored.whole, ready, release if reads_at_runs else lambda: None)


def describe(part: Part, number: int, count: int) -> str:
    """What a part is and why it is not part of another, in one line."""
    nodes = [node for node in part.graph.nodes if not set(part.sizes) & {value.name for value in node.outputs}]
    names = list(dict.fromkeys(node.name or node.outputs[0].name for node in (*nodes[:1], *nodes[-1:])))
    of = f"{len(nodes)} node{'s' if len(nodes) > 1 else ''}, {' to '.join(map(repr, names))}" if nodes else "no nodes"
    more = f" (and {len(part.why) - 1} more nodes)" if len(part.why) > 1 else ""
    why = f"since {part.why[0]}{more}" if part.why else "which it can run" if nodes else "which it hands on"
    return f"part {number} of {count} on {part.way}: {of}, {why}"
