"""What `intab tune` has done in the browser: one model loaded, run, tuned, and run again with what was found."""

from collections.abc import Mapping
from dataclasses import asdict

from intab.browser.messages import ModelTuned, TunedProduct, TuneModel
from intab.browser.page import ProgressCallback
from intab.pages.feeds import Array
from intab.pages.runmodel import feeds_of, timed
from intab.runtime import Session, load

RUNS = 5


async def tune_model(arguments: TuneModel, progress: ProgressCallback) -> ModelTuned:
    """Tune the model on this browser's GPU. Raises what loading, running and tuning raise."""
    async with await load(arguments.model, backend="webgpu", progress=progress) as session:
        feeds = await feeds_of(session, arguments.feeds, arguments.dims)
        await session.run(feeds)
        report = await session.tune(
            budget=arguments.budget, anew=True, progress=lambda done, total: progress("tune", done, total)
        )
        is_faster = any(one.best != one.default for one in report.found)
        before, after = await _compared(arguments.model, session, feeds) if is_faster else ((), ())
        return ModelTuned(
            adapter=session.stats().adapter,
            seconds=report.seconds,
            products=tuple(TunedProduct(**asdict(one)) for one in report.found),
            left=report.left,
            text=str(report),
            before_ms=before,
            after_ms=after,
        )


async def _compared(
    model: str, session: Session, feeds: Mapping[str, Array]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Milliseconds of runs as the session is and as one is that is loaded now, in turns."""
    before, after = [], []
    async with await load(model, backend="webgpu") as tuned:
        await tuned.run(feeds)
        for _ in range(RUNS):
            before.append((await timed(session, feeds))[1])
            after.append((await timed(tuned, feeds))[1])
    return tuple(before), tuple(after)
