"""What a choice between a real GPU and WebAssembly is made of, to make it again when more is known.

Imported where there is such a GPU.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from intab.backends.engine import Executable
from intab.errors import (
    BackendUnavailableError,
    DeviceLostError,
    IntabError,
    KernelError,
    OutOfMemoryError,
    UnsupportedOpError,
)
from intab.program.partition import Part
from intab.runtime.cache import ProgramStore
from intab.runtime.choose import decide, rivals, way_of
from intab.runtime.contest import Contender, Contest
from intab.runtime.demand import Demand, demand_of_graph
from intab.runtime.device import Candidate, Choice
from intab.runtime.opened import OpenModel
from intab.runtime.parts import Judge
from intab.runtime.probe import Device
from intab.runtime.remembered import Remembered
from intab.runtime.weighing import NotWorthParts, estimate_of_parts, weighed

GPU = "webgpu"
# How a GPU shows that it cannot run a model after all: whatever else it has to do, or at this moment only.
NEVER = (KernelError, UnsupportedOpError)
NOT_NOW = (BackendUnavailableError, DeviceLostError, OutOfMemoryError)


@dataclass(slots=True)
class Evidence:
    """A choice and what it was made of. `demand` is None where it is one of an earlier visit.

    `is_passing`: it was made for want of a GPU that the next visit may have, and is not kept for that.
    """

    device: Device
    threads: int | None
    choice: Choice
    demand: Demand | None
    remembered: Remembered | None
    is_passing: bool = False

    @property
    def is_new(self) -> bool:
        """Whether it was decided now."""
        return self.demand is not None

    def judge(self, parts: Sequence[Part]) -> None:
        """Raise NotWorthParts for a model in parts that had better run whole elsewhere; note what parts take."""
        assert self.demand is not None
        threads = max((one.threads for one in self.choice.candidates if one.backend == "wasm"), default=1)
        self.choice = weighed(self.choice, estimate_of_parts(self.device, self.demand, parts, threads))

    async def without_gpu(self, model: OpenModel, why: str) -> Choice:
        """The choice made again without the GPU."""
        self.demand = self.demand or demand_of_graph(await model.graph())
        demand = replace(self.demand, refused={**self.demand.refused, GPU: why})
        self.choice = decide(self.device, demand, threads=self.threads)
        return self.choice

    async def remember(self, choice: Choice) -> Choice:
        """Keep a choice that was made now for the next visit; the same, with a note where that failed."""
        if self.remembered is None or not self.is_new or self.is_passing:
            return choice
        return await self.remembered.keep(choice)


class ReadyModel(Protocol):
    """A model made ready, as far as it is looked at here."""

    @property
    def executable(self) -> Executable: ...

    @property
    def adapter(self) -> str: ...

    @property
    def notes(self) -> tuple[str, ...]: ...


Made = TypeVar("Made", bound=ReadyModel)
Make = Callable[[OpenModel, Choice, Judge | None], Awaitable[Made]]


async def ready_by(evidence: Evidence, model: OpenModel, make: Make[Made]) -> tuple[Choice, Made, Contest | None]:
    """The model made ready the way that is best, as far as can be told before it runs, and a contest where it cannot.

    Where a GPU turns out to be of no use the choice is made again, and says so. Raises what making ready raises.
    """
    choice = evidence.choice
    if choice.backend != GPU:
        made = await make(model, choice, None)
    else:
        try:
            made = await make(model, choice, evidence.judge if evidence.is_new else None)
            choice = evidence.choice
        except (NotWorthParts, *NEVER, *NOT_NOW) as error:
            why = str(error) if isinstance(error, NotWorthParts) else f"tried, and failed: {error}"
            evidence.is_passing = isinstance(error, NOT_NOW)
            choice = await evidence.without_gpu(model, why)
            made = await make(model, choice, None)
    if not evidence.is_new or len(rivals(choice)) < 2:
        return await evidence.remember(choice), made, None
    first = Contender(made.executable, made.adapter, made.notes)
    model.hold()

    async def prepare(one: Candidate) -> Contender:
        try:
            rival = await make(model, way_of(choice, one), evidence.judge if one.backend == GPU else None)
        except NotWorthParts as error:
            raise UnsupportedOpError(str(error)) from error
        except NOT_NOW:
            evidence.is_passing = True
            raise
        about_parts = (reason for reason in evidence.choice.reasons if reason not in choice.reasons)
        return Contender(rival.executable, rival.adapter, (*about_parts, *rival.notes))

    return choice, made, Contest(choice, first, prepare, evidence.remember, model.close)


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
