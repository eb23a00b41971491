"""What a model takes that a GPU runs in parts: each part by its own work, and what crosses between them.

A model that goes back and forth often is not worth a GPU's speed, since every part of a GPU ends in reading back, which
waits for its queue.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from intab.browser.facts import DeviceFacts
from intab.program.partition import Part
from intab.runtime.demand import Demand, Sizes, demand_of_graph
from intab.runtime.device import Choice
from intab.runtime.rates import estimated_ms

FLOAT_NBYTES = 4
# What is read back is copied from the device to JavaScript and to Python, and written again.
CROSSING_GBYTES = 1.0
PREFERRED, REFERENCE = "webgpu", "reference"


@dataclass(frozen=True, slots=True)
class PartsEstimate:
    """Ms of a run in parts, the count of all parts and of those on the GPU, and the bytes that cross between them.

    `only_parts`: no back end but numpy runs the model whole.
    """

    ms: float
    parts: int
    on_gpu: int
    crossing_nbytes: int
    only_parts: bool = False

    def __str__(self) -> str:
        crossing = f"{self.crossing_nbytes / 1e6:.1f} MB crossing between them"
        return f"in {self.parts} parts, {self.on_gpu} of them on the GPU, about {self.ms:.1f} ms with {crossing}"


class NotWorthParts(Exception):
    """Another back end runs the model sooner as a whole; the text says why."""


def estimate_of_parts(device: DeviceFacts, demand: Demand, parts: Sequence[Part], threads: int) -> PartsEstimate:
    """`demand` is that of the whole model, whose assumed sizes are assumed here, too; `threads`: WebAssembly's."""
    sizes = dict(demand.assumed)
    ms, crossing = 0.0, 0
    made: set[str] = set()
    for part in parts:
        own = demand_of_graph(part.graph, sizes)
        ms += estimated_ms(device, own, part.way, own.variants[0], threads)
        count = Sizes(sizes, (value.shape for value in part.graph.inputs))
        crossing += sum(FLOAT_NBYTES * count.count(v.shape) for v in part.graph.inputs if v.name in made)
        made |= {value.name for value in part.graph.outputs}
    ms += crossing / CROSSING_GBYTES / 1e6
    on_gpu = sum(part.way == PREFERRED for part in parts)
    return PartsEstimate(ms, len(parts), on_gpu, crossing, any(part.way == REFERENCE for part in parts))


def weighed(choice: Choice, estimate: PartsEstimate) -> Choice:
    """A choice of the GPU with what its run in parts is thought to take.

    Raises NotWorthParts where WebAssembly is left and thought to take less.
    """
    left = [one for one in choice.candidates if one.backend == "wasm" and not one.refused]
    others = [one.estimated_ms for one in left if one.precision == choice.precision]
    if others and min(others) < estimate.ms and not estimate.only_parts:
        raise NotWorthParts(f"it would run {estimate}, by wasm about {min(others):.1f} ms")
    mine = (PREFERRED, choice.precision)
    candidates = tuple(
        replace(one, estimated_ms=estimate.ms) if (one.backend, one.precision) == mine else one
        for one in choice.candidates
    )
    return replace(choice, candidates=candidates).noted(str(estimate))
