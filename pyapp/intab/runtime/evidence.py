"""What a choice between a real GPU and WebAssembly is made of, to make it again when more is known.

Imported where there is such a GPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from intab.errors import IntabError
from intab.program.partition import Part
from intab.runtime.cache import ProgramStore
from intab.runtime.choose import decide
from intab.runtime.demand import Demand, demand_of_graph
from intab.runtime.device import Choice
from intab.runtime.opened import OpenModel
from intab.runtime.probe import Device
from intab.runtime.remembered import Remembered
from intab.runtime.weighing import estimate_of_parts, weighed


@dataclass(slots=True)
class Evidence:
    """A choice and what it was made of. `demand` is None where it is one of an earlier visit."""

    device: Device
    threads: int | None
    choice: Choice
    demand: Demand | None
    remembered: Remembered | None

    @property
    def is_new(self) -> bool:
        """Whether it was decided now."""
        return self.demand is not None

    def judge(self, parts: Sequence[Part]) -> None:
        """Raise NotWorthParts for a model in parts that had better run whole elsewhere; note what parts take."""
        assert self.demand is not None
        threads = max((one.threads for one in self.choice.candidates if one.backend == "wasm"), default=1)
        self.choice = weighed(self.choice, estimate_of_parts(self.device, self.demand, parts, threads))

    def without_gpu(self, why: str) -> Choice:
        """The choice made again without the GPU."""
        assert self.demand is not None
        demand = replace(self.demand, refused={**self.demand.refused, "webgpu": why})
        self.choice = decide(self.device, demand, threads=self.threads)
        return self.choice

    async def remember(self, choice: Choice) -> Choice:
        """Keep a choice that was made now for the next visit; the same, with a note where that failed."""
        return choice if self.remembered is None or not self.is_new else await self.remembered.keep(choice)


async def gather(
    threads: int | None, device: Device, model: OpenModel, programs: ProgramStore | None
) -> Evidence | None:
    """Look at a model, unless that was done at an earlier visit; None for one that cannot be read."""
    remembered = None if programs is None else Remembered(programs, device, threads)
    known = None if remembered is None else await remembered.find(model.storage)
    if known is not None:
        return Evidence(device, threads, known, None, remembered)
    try:
        demand = demand_of_graph(await model.graph())
    except IntabError:
        return None
    return Evidence(device, threads, decide(device, demand, threads=threads), demand, remembered)
