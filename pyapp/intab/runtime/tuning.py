"""Tuning a session: what is timed, what of it is kept, and what is said of that. Imported where it is asked for."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing

from intab.backends.engine import Executable
from intab.backends.tuning import Tunable
from intab.backends.webgpu.executable import WebGpuExecutable
from intab.errors import BackendUnavailableError
from intab.program.ir import Program
from intab.runtime.idle import Gate
from intab.runtime.tune import Tuned, TuneProgress, Tuner, TuningReport
from intab.runtime.webgpu_back_end import tunings_here
from intab.target import Target

# Seconds of work on the device, for one session that nobody has asked to be tuned.
IDLE_BUDGET = 20.0


async def with_ways(executable: Executable, build_anew: Callable[[Target], Awaitable[Program]]) -> Executable:
    """The executable, which knows by now what else its products could be, if it can be tuned at all."""
    if isinstance(executable, WebGpuExecutable) and executable.lacks_ways:
        executable.learn_ways(await build_anew(executable.program.target))
    return executable


async def tune(
    model: str, adapter: str, executable: object, budget: float, *, anew: bool, progress: TuneProgress
) -> TuningReport:
    """Time the shapes of a model's products for `budget` seconds and keep what is found.

    `anew`: also those that were timed earlier. Raises BackendUnavailableError where nothing can be timed, IntabError
    before the first run, DeviceLostError.
    """
    if not isinstance(executable, Tunable):
        raise BackendUnavailableError(
            f"{model}: only kernels on a GPU are tuned, in models that run there as a whole. Load it with "
            'backend="webgpu".'
        )
    if not executable.problems():
        raise BackendUnavailableError(
            f"{model}: there is nothing to time: it has no products that could be computed in other ways. "
            "Other models of this page can be tuned."
        )
    return await _tuned(model, adapter, executable, budget, anew=anew, progress=progress, gate=None)


async def tune_while_idle(model: str, executable: object, gate: Gate) -> str:
    """As `tune`, of what was not timed yet; what there is to say of it, in a line."""
    if not isinstance(executable, Tunable):
        return ""
    report = await _tuned(model, "", executable, IDLE_BUDGET, anew=False, progress=lambda *_: None, gate=gate)
    faster = [one for one in report.found if one.best != one.default]
    if not report.found:
        return ""
    return (
        f"tuned while idle: {len(faster)} of {len(report.found)} products are faster in other shapes, "
        f"{report.default_ms:.2f} ms become {report.best_ms:.2f} ms from the next load on"
    )


async def _tuned(
    model: str,
    adapter: str,
    executable: Tunable,
    budget: float,
    *,
    anew: bool,
    progress: Callable[[int, int], None],
    gate: Gate | None,
) -> TuningReport:
    tunings = await tunings_here()
    known = {} if anew else await tunings.read()
    notes = [tunings.note]
    seen = [problem for problem, one in known.items() if one.ms]
    tuner = Tuner(executable, budget, known=seen) if gate is None else Tuner(executable, budget, known=seen, gate=gate)
    found: list[Tuned] = []
    async with aclosing(tuner.run()) as run:
        async for one in run:
            found.append(one)
            await tunings.add({one.problem: one.found})
            notes.append(tunings.note)
            progress(len(found), len(found) + tuner.left)
    earlier = sum(problem.name in seen for problem in executable.problems())
    if earlier:
        notes.append(f"{earlier} of its products were timed earlier: tune(anew=True) times them again")
    notes += [f"the GPU's compiler refuses {shape} for {one.problem}" for one in found for shape in one.refused]
    return TuningReport(
        model, adapter, tuner.seconds, tuple(found), tuner.left, tuple(dict.fromkeys(filter(None, notes)))
    )
