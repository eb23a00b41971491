"""Runs in segments: sizes that a model computes are read back between them, and guessed before."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from intab.program.bind import Plan
from intab.program.ir import Program, Reading


class Segmented(Protocol):
    """What a device must be able to do for a program to be run in segments."""

    @property
    def program(self) -> Program: ...

    async def start(self, sizes: Mapping[str, int]) -> Plan:
        """Make everything ready for a run at these sizes, from the first step on."""
        ...

    async def read_sizes(self, plan: Plan, readings: Sequence[Reading]) -> dict[str, int]:
        """The sizes that the steps run so far have computed."""
        ...

    async def run_segment(self, plan: Plan, number: int) -> None: ...


class Guesses:
    """What sizes computed in mid-run were the last time: the first guess of the next run."""

    def __init__(self, program: Program) -> None:
        self._sizes = {s: 0 for part in program.segments for reading in part.readings for s in reading.symbols}

    async def run(self, device: Segmented, sizes: Mapping[str, int]) -> tuple[Plan, dict[str, int]]:
        """Run all segments; the plan that the run ended with, and all sizes."""
        known = {**self._sizes, **sizes}
        plan = await device.start(known)
        segments, number = device.program.segments, 0
        while number < len(segments):
            readings = segments[number].readings
            found = await device.read_sizes(plan, readings) if readings else {}
            if any(known[symbol] != size for symbol, size in found.items()):
                # The guess was wrong: values may have to move, so start again with what is now known.
                self._sizes |= found
                known |= found
                plan = await device.start(known)
                number = 0
                continue
            await device.run_segment(plan, number)
            number += 1
        return plan, known
