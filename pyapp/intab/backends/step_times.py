"""What the steps of a program took, beside what they had to do: one shape of a profile for every device."""

from collections.abc import Sequence

from intab.backends.engine import StepTime
from intab.errors import IntabError
from intab.program.ir import Program


def step_times(
    program: Program,
    counted: Sequence[tuple[int, int] | None],
    alone: Sequence[float],
    *,
    threads: int = 1,
    together: Sequence[float | None] | None = None,
) -> tuple[StepTime, ...]:
    """Each step's ms on one thread, and on all where there are more.

    `counted`: floating-point operations and bytes of each step, None where they are not counted.
    """
    all_ms = [None] * len(alone) if together is None else together
    return tuple(
        StepTime(
            step.label,
            program.kernel_names[step.kernel],
            ms,
            work[0] if work else None,
            work[1] if work else None,
            threads,
            shared_ms,
        )
        for step, work, ms, shared_ms in zip(program.steps, counted, alone, all_ms, strict=True)
    )


def no_run(name: str) -> IntabError:
    """What a profile is answered before the first run."""
    return IntabError(f"{name}: there is no run to look at. Run the model, then ask for its profile.")
