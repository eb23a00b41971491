"""The seam between back ends and tuning: which problems a model poses to its device, and how long each shape takes.

Back ends list their candidates, so that whoever times them needs to know nothing of kernels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Problem:
    """`steps` of a program solve it by `shape`; `shapes` are all that could, the likeliest first."""

    name: str
    shape: str
    shapes: tuple[str, ...]
    steps: int


@runtime_checkable
class Tunable(Protocol):
    """An executable whose kernels can be timed in other shapes, between its runs.

    `worth_tuning`: whether that may be done without being asked, which costs too much where software plays the GPU.
    """

    @property
    def worth_tuning(self) -> bool: ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of its kernels: which the device's compiler refused, and what runs instead."""
        ...

    def problems(self) -> tuple[Problem, ...]:
        """The problems that are known."""
        ...

    async def compile_way(self, problem: str, shape: str) -> str:
        """Compile a shape for a problem; the compiler's words where it refuses that, else "".

        Raises DeviceLostError.
        """
        ...

    async def time_ways(self, ways: Sequence[tuple[str, str]], repeats: int) -> list[float]:
        """Milliseconds that all steps of each (problem, shape) take at the sizes of the last run, one shape after the
        other; each is the mean of so many in a row. All must have been compiled.

        Runs wait meanwhile. What the last run left in memory is used and overwritten. Raises IntabError before the
        first run, DeviceLostError.
        """
        ...

    def forget_ways(self) -> None:
        """Let go of what was compiled to be timed."""
        ...


def notes_of(executable: object) -> tuple[str, ...]:
    """`Tunable.notes`; none where there are no kernels that could be others."""
    return executable.notes if isinstance(executable, Tunable) else ()


def is_worth_tuning(executable: object) -> bool:
    """`Tunable.worth_tuning`; not where there is nothing to tune."""
    return isinstance(executable, Tunable) and executable.worth_tuning
