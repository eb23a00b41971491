"""What `intab run` has done in the browser: one model loaded, run and timed."""

import time
from collections.abc import Mapping

from intab.browser import net
from intab.browser.messages import ModelRun, RunModel
from intab.browser.page import ProgressCallback
from intab.pages.feeds import Array, check_dims, made_up_feeds, read_feeds, write_fetches
from intab.runtime import Session, load


async def run_model(arguments: RunModel, progress: ProgressCallback) -> ModelRun:
    """Load the model, run it once and then `repeat` times more. Raises what loading and running raise."""
    loading = load(arguments.model, backend=arguments.backend, threads=arguments.threads, progress=progress)
    async with await loading as session:
        feeds = await feeds_of(session, arguments.feeds, arguments.dims)
        outputs, first_run_ms = await timed(session, feeds)
        run_ms = []
        for number in range(arguments.repeat):
            run_ms.append((await timed(session, feeds))[1])
            progress("run", number + 1, arguments.repeat)
        stats = session.stats()
        profile = await session.profile_async() if arguments.profile else None
        return ModelRun(
            backend=stats.backend,
            adapter=stats.adapter,
            threads=stats.threads,
            load_ms=stats.load_ms,
            compile_ms=stats.compile_ms,
            first_run_ms=first_run_ms,
            run_ms=tuple(run_ms),
            peak_nbytes=stats.peak_nbytes,
            steps=stats.steps,
            kernels=stats.kernels,
            fetches=write_fetches(outputs) if arguments.fetch else None,
            profile=str(profile) if profile else None,
            trace=profile.chrome_trace() if profile else None,
        )


async def feeds_of(session: Session, url: str | None, dims: Mapping[str, int]) -> dict[str, Array]:
    """The arrays of the .npz at a URL, or made-up ones without it. Raises FeedError, ShapeError, DownloadError."""
    if url is None:
        return made_up_feeds(session.inputs, dims)
    storage = await net.fetch(url)
    try:
        feeds = read_feeds(bytes(storage.read(0, storage.nbytes)), "--feeds")
    finally:
        storage.dispose()
    check_dims(session.inputs, feeds, dims)
    return feeds


async def timed(session: Session, feeds: Mapping[str, Array]) -> tuple[dict[str, Array], float]:
    """The outputs of a run, and its milliseconds: feeds copied in and outputs read back included."""
    begin = time.perf_counter()
    outputs = await session.run(feeds)
    return outputs, (time.perf_counter() - begin) * 1e3
