"""The reader: a picture in, lines of text out."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from intab.errors import IntabError
from intab.media.pictures import load_picture
from intab.pipelines._session import ModelSession, run_single
from intab.pipelines.ocr import classify, ctc, recognise
from intab.pipelines.ocr.crop import crop_line
from intab.pipelines.ocr.detect import detector_feed, text_boxes
from intab.pipelines.ocr.feeds import without_colour
from intab.pipelines.ocr.fit import Fitted, fit
from intab.pipelines.ocr.order import reading_order
from intab.pipelines.ocr.timings import Stopwatch, Timings

Progress = Callable[[str, float, float], None]
Picture = NDArray[np.uint8]
Boxes = NDArray[np.float32]

SMALLEST_SIDE = 4  # pixels; no letter fits into less
DETECTION_SHARE = 0.5  # of the progress bar


def tell_nobody(stage: str, done: float, total: float) -> None:
    """The progress callback of who gave none."""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One line of text. box [4, 2]: its corners in pixels of the picture, clockwise from top left. score in 0..1."""

    text: str
    score: float
    box: Boxes


class Reader:
    """Reads the text in pictures. Calls made at the same time wait for each other, in order."""

    def __init__(
        self,
        detector: ModelSession,
        recogniser: ModelSession,
        classifier: ModelSession | None = None,
        *,
        text_score: float = 0.5,
    ) -> None:
        """Takes the sessions over: `dispose` disposes of them. With a classifier, lines are turned upright."""
        self._detector, self._recogniser, self._classifier = detector, recogniser, classifier
        self._characters = ctc.charset(recogniser.metadata)
        self._text_score = text_score
        self._queue = asyncio.Lock()
        self._disposed = False
        self.timings = Timings()
        """Of the last call that ended."""

    async def __call__(self, picture: object, *, progress: Progress = tell_nobody) -> list[Line]:
        """The lines of text in `picture`, in reading order; none when there is no text.

        picture: anything that `media.pictures.load_picture` takes. progress("run", done, 1.0) is told after each
        step. Cancelling the task that awaits this ends it before the next model run. Raises MediaError for a
        picture that cannot be read.
        """
        async with self._queue:
            self._check()
            watch = Stopwatch()
            with watch.stage("open_ms"):
                pixels = await load_picture(picture)
            lines = await self._read(pixels, watch, progress)
            self.timings = watch.timings()
            return lines

    async def _read(self, picture: Picture, watch: Stopwatch, progress: Progress) -> list[Line]:
        """Detect, cut out, turn upright, recognise: the whole way of a picture."""
        if min(picture.shape[:2]) < SMALLEST_SIDE:
            return []
        progress("run", 0.0, 1.0)
        with watch.stage("preprocess_ms"):
            fitted = fit(without_colour(picture))
        boxes = await self._find(fitted.picture, watch)
        progress("run", DETECTION_SHARE if len(boxes) else 1.0, 1.0)
        if not len(boxes):
            return []
        with watch.stage("crop_ms"):
            cut = [crop_line(fitted.picture, box) for box in boxes]
        if self._classifier is not None:
            cut = await self._turn_upright(self._classifier, cut, watch)
        texts = await self._recognise(cut, watch, progress)
        return self._lines(fitted, boxes, texts)

    async def _find(self, picture: Picture, watch: Stopwatch) -> Boxes:
        """The boxes of the lines in a fitted picture, in reading order."""
        with watch.stage("preprocess_ms"):
            feed = detector_feed(picture)
        self._check()
        with watch.stage("detect_ms"):
            text_map = await run_single(self._detector, feed)
        with watch.stage("postprocess_ms"):
            boxes = text_boxes(text_map[0, 0], *picture.shape[:2])
            return boxes[reading_order(boxes)]

    async def _turn_upright(self, classifier: ModelSession, lines: list[Picture], watch: Stopwatch) -> list[Picture]:
        """The lines, those that stand on their head turned by 180 degrees."""
        turned: list[Picture] = []
        for start in range(0, len(lines), classify.GROUP_SIZE):
            group = lines[start : start + classify.GROUP_SIZE]
            with watch.stage("preprocess_ms"):
                feed = classify.classifier_feed(group)
            await self._pause()
            with watch.stage("classify_ms"):
                scores = await run_single(classifier, feed)
            flips = classify.upside_down(scores)
            turned.extend(line[::-1, ::-1] if flip else line for line, flip in zip(group, flips, strict=True))
        return turned

    async def _recognise(self, lines: list[Picture], watch: Stopwatch, progress: Progress) -> list[tuple[str, float]]:
        """The text and score of each line."""
        texts = [("", 0.0)] * len(lines)
        plan = recognise.batches([line.shape[:2] for line in lines], len(self._characters))
        for done, batch in enumerate(plan, start=1):
            with watch.stage("preprocess_ms"):
                feed = recognise.lines_feed([lines[i] for i in batch.lines], batch.width)
            await self._pause()
            with watch.stage("recognise_ms"):
                scores = await run_single(self._recogniser, feed)
            with watch.stage("decode_ms"):
                for i, text in zip(batch.lines, ctc.decode(scores, self._characters), strict=True):
                    texts[i] = text
            progress("run", DETECTION_SHARE + (1 - DETECTION_SHARE) * done / len(plan), 1.0)
        return texts

    def _lines(self, fitted: Fitted, boxes: Boxes, texts: list[tuple[str, float]]) -> list[Line]:
        """What is sure enough and not blank, with boxes in pixels of the given picture."""
        return [
            Line(text, score, box)
            for (text, score), box in zip(texts, fitted.to_given(boxes), strict=True)
            if text.strip() and score >= self._text_score
        ]

    async def _pause(self) -> None:
        """Let others run and cancel between two model runs."""
        await asyncio.sleep(0)
        self._check()

    def _check(self) -> None:
        if self._disposed:
            raise IntabError("ocr: this reader was disposed of. Make a new one with intab.pipeline('ocr').")

    def dispose(self) -> None:
        """Let go of the models; a call that is under way ends with an error. A second call does nothing."""
        if not self._disposed:
            self._disposed = True
            for session in (self._detector, self._recogniser, self._classifier):
                if session is not None:
                    session.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.dispose()
