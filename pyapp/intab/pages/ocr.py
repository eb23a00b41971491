"""The page that reads the text in a picture: its models opened once, its pictures read one after the other."""

import asyncio
import contextlib
from dataclasses import dataclass

from intab.browser import net
from intab.browser.messages import OpenReader, PictureRead, ReaderOpened, ReadLine, ReadPicture, ReadTimings
from intab.browser.packages import load_packages
from intab.browser.page import ProgressCallback
from intab.browser.store import BrowserStore
from intab.errors import DownloadError, IntabError
from intab.pipelines.ocr import Line, Reader, Timings
from intab.runtime import Session, load

MODELS = ("ocr/det", "ocr/rec")
"""Names in site.json of the models that find lines and read them."""
DECODER = "pillow"


@dataclass(slots=True)
class Desk:
    """What is open: at most one reader, and the task that brings the picture decoder meanwhile."""

    reader: Reader | None = None
    backend: str = ""
    decoder: "asyncio.Task[None] | None" = None


DESK = Desk()


async def open_reader(arguments: OpenReader, progress: ProgressCallback) -> ReaderOpened:
    """Load and compile the two models; the reader that was open before is disposed of."""
    site = await net.fetch_json("./site.json")
    sessions: list[Session] = []
    try:
        for number, name in enumerate(MODELS):
            url = site["models"][name]["url"]
            tell = _shared(progress, number)
            sessions.append(await load(url, backend=arguments.backend, progress=tell, programs=BrowserStore()))
        reader = Reader(*sessions)
    except BaseException:
        for session in sessions:
            session.dispose()
        raise
    if DESK.reader is not None:
        DESK.reader.dispose()
    stats = [session.stats() for session in sessions]
    DESK.reader, DESK.backend = reader, stats[0].backend
    DESK.decoder = asyncio.ensure_future(_bring_decoder())
    return ReaderOpened(
        backend=stats[0].backend,
        adapter=stats[0].adapter,
        threads=stats[0].threads,
        load_ms=sum(one.load_ms for one in stats),
        compile_ms=sum(one.compile_ms for one in stats),
    )


async def read_picture(arguments: ReadPicture, progress: ProgressCallback) -> PictureRead:
    """Read one picture with the reader that is open. Raises MediaError when it is no picture."""
    reader = DESK.reader
    if reader is None:
        raise IntabError("page: no reader is open. Send open_reader first.")
    await load_packages(DECODER)
    lines = await reader(arguments.picture, progress=progress)
    return PictureRead(tuple(_plain(line) for line in lines), DESK.backend, _summary(reader.timings))


async def _bring_decoder() -> None:
    """Fetch the decoder while nothing else is to do. What fails here is told when a picture needs it."""
    with contextlib.suppress(DownloadError):
        await load_packages(DECODER)


def _shared(progress: ProgressCallback, number: int) -> ProgressCallback:
    """Progress of one of the models as progress of all: compiling counts in models."""

    def tell(stage: str, done: float, total: float) -> None:
        if stage == "compile":
            progress(stage, number + (done / total if total else 0.0), len(MODELS))
        else:
            progress(stage, done, total)

    return tell


def _plain(line: Line) -> ReadLine:
    return ReadLine(line.text, float(line.score), tuple((float(x), float(y)) for x, y in line.box))


def _summary(timings: Timings) -> ReadTimings:
    return ReadTimings(
        open_ms=timings.open_ms,
        detect_ms=timings.detect_ms,
        recognise_ms=timings.recognise_ms,
        around_ms=timings.around_ms,
        total_ms=timings.total_ms,
    )
