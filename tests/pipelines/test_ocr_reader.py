"""How a reader behaves: progress, queue, cancelling, disposal, timings, and pictures with nothing to read."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from intab.errors import IntabError, MediaError, ModelFormatError, ShapeError
from intab.pipelines._session import Array
from intab.pipelines.ocr import Reader
from tests.pipelines.onnx_session import OnnxSession
from tests.pipelines.pages import RenderedPage, render_pages

PAGE = next(page for page in render_pages() if page.name == "two columns")
CHARACTERS = "abc"


class StandIn:
    """A model whose answer is a function of its feed."""

    def __init__(self, answer: Any, metadata: Mapping[str, str] | None = None) -> None:
        self.inputs = self.outputs = (SimpleNamespace(name="x"),)
        self.metadata = dict(metadata or {})
        self.answer = answer
        self.running = self.most_running = self.runs = self.disposals = 0

    async def run(self, feeds: Mapping[str, Array], fetches: Sequence[str] | None = None) -> Mapping[str, Array]:
        self.running, self.runs = self.running + 1, self.runs + 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(0.001)
            return {"x": self.answer(feeds["x"])}
        finally:
            self.running -= 1

    def dispose(self) -> None:
        self.disposals += 1


def three_bars(feed: NDArray[np.float32]) -> NDArray[np.float32]:
    """A text map with three lines one below the other."""
    text_map = np.zeros((1, 1, *feed.shape[2:]), np.float32)
    for top in (100, 200, 300):
        text_map[0, 0, top : top + 30, 50:600] = 0.9
    return text_map


def always_ab(feed: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores that say "ab" for every line: a, a, blank, b."""
    scores = np.full((len(feed), 4, len(CHARACTERS) + 2), 0.01, np.float32)
    scores[:, [0, 1, 2, 3], [1, 1, 0, 2]] = 0.96
    return scores


def stand_in_reader(detector_answer: Any = three_bars) -> tuple[Reader, StandIn, StandIn]:
    detector, recogniser = StandIn(detector_answer), StandIn(always_ab, {"character": "\n".join(CHARACTERS)})
    return Reader(detector, recogniser), detector, recogniser


def blank(height: int, width: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), 255, np.uint8)


def test_lines_scores_and_boxes_in_pixels_of_the_picture() -> None:
    reader, _, _ = stand_in_reader()
    lines = asyncio.run(reader(blank(368, 400)))  # the detector sees 736 x 800
    assert [line.text for line in lines] == ["ab", "ab", "ab"]
    assert all(line.score == pytest.approx(0.96) for line in lines)
    assert all(line.box.shape == (4, 2) and line.box.dtype == np.float32 for line in lines)
    left, top = lines[1].box[0]
    right, bottom = lines[1].box[2]
    assert left < 25 < right and top < 100 < 115 < bottom  # the map's 200 .. 230, halved, widened
    np.testing.assert_array_equal(lines[1].box[:, 0], [left, right, right, left])


def test_lines_below_the_score_are_left_out() -> None:
    _, detector, recogniser = stand_in_reader()
    assert asyncio.run(Reader(detector, recogniser, text_score=0.97)(blank(368, 400))) == []


def test_progress_goes_up_to_one() -> None:
    reader, _, _ = stand_in_reader()
    told: list[tuple[str, float, float]] = []
    asyncio.run(reader(blank(368, 400), progress=lambda *step: told.append(step)))
    assert {(stage, total) for stage, _, total in told} == {("run", 1.0)}
    done = [step[1] for step in told]
    assert done == sorted(done) and done[0] == 0.0 and done[-1] == 1.0 and len(set(done)) >= 3


def test_timings_add_up() -> None:
    reader, _, _ = stand_in_reader()
    asyncio.run(reader(blank(368, 400)))
    timings = reader.timings
    assert min(timings.detect_ms, timings.recognise_ms, timings.preprocess_ms, timings.postprocess_ms) > 0
    parts = timings.preprocess_ms + timings.postprocess_ms + timings.crop_ms + timings.decode_ms
    assert parts <= timings.around_ms + 1e-6
    assert timings.run_ms + timings.around_ms + timings.open_ms == pytest.approx(timings.total_ms)


def test_calls_at_the_same_time_wait_for_each_other() -> None:
    reader, detector, recogniser = stand_in_reader()

    async def several() -> list[int]:
        pictures = [blank(368, 400), blank(500, 400), blank(368, 900)]
        return [len(lines) for lines in await asyncio.gather(*(reader(picture) for picture in pictures))]

    assert asyncio.run(several()) == [3, 3, 3]
    assert detector.most_running == recogniser.most_running == 1
    assert detector.runs == 3


def test_cancelling_ends_before_the_next_run_and_frees_the_queue() -> None:
    reader, detector, recogniser = stand_in_reader()

    async def cancelled() -> int:
        task = asyncio.ensure_future(reader(blank(368, 400)))
        while not detector.runs:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert recogniser.runs == 0
        return len(await reader(blank(368, 400)))

    assert asyncio.run(cancelled()) == 3


def test_disposal_happens_once_and_ends_the_work() -> None:
    async def disposed() -> None:
        reader, detector, recogniser = stand_in_reader()
        async with reader as same:
            assert same is reader
            task = asyncio.ensure_future(reader(blank(368, 400)))
            while not detector.runs:
                await asyncio.sleep(0)
        with pytest.raises(IntabError, match="disposed of"):
            await task
        with pytest.raises(IntabError, match="disposed of"):
            await reader(blank(368, 400))
        reader.dispose()
        assert detector.disposals == recogniser.disposals == 1

    asyncio.run(disposed())


def test_a_bad_picture_leaves_the_reader_well() -> None:
    reader, _, _ = stand_in_reader()
    with pytest.raises(MediaError):
        asyncio.run(reader(b"no picture"))
    assert len(asyncio.run(reader(blank(368, 400)))) == 3


@pytest.mark.parametrize("height, width", [(1, 1), (3, 500), (500, 3)])
def test_no_letter_fits(height: int, width: int) -> None:
    reader, detector, _ = stand_in_reader()
    assert asyncio.run(reader(blank(height, width))) == []
    assert detector.runs == 0


@pytest.mark.parametrize("height, width", [(4, 2000), (2000, 4), (5000, 20), (4000, 5000), (31, 31)])
def test_the_detector_is_never_asked_for_too_much(height: int, width: int) -> None:
    seen: list[tuple[int, ...]] = []

    def nothing(feed: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(feed.shape)
        return np.zeros((1, 1, *feed.shape[2:]), np.float32)

    assert asyncio.run(stand_in_reader(nothing)[0](blank(height, width))) == []
    ((one, three, feed_height, feed_width),) = seen
    assert (one, three, feed_height % 32, feed_width % 32) == (1, 3, 0, 0)
    assert feed_height * feed_width <= 6_600_000


def test_nothing_to_read(sessions: dict[str, OnnxSession]) -> None:
    reader = Reader(sessions["det"], sessions["rec"])
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    for picture in (blank(200, 300), 255 - blank(200, 300), noise, blank(40, 40)):
        assert asyncio.run(reader(picture)) == []


def test_twenty_megapixels(sessions: dict[str, OnnxSession]) -> None:
    picture = blank(4000, 5000)
    page = PAGE.picture.repeat(4, axis=0).repeat(4, axis=1)
    picture[500 : 500 + page.shape[0], 700 : 700 + page.shape[1]] = page
    lines = asyncio.run(Reader(sessions["det"], sessions["rec"])(picture))
    assert [line.text for line in lines][:2] == list(PAGE.truth_lines[:2])
    corners = np.array([line.box for line in lines])
    assert (corners.min(axis=(0, 1)) > [700, 500]).all()
    assert (corners.max(axis=(0, 1)) < [700 + page.shape[1], 500 + page.shape[0]]).all()


def test_a_recogniser_without_characters_is_refused() -> None:
    _, detector, _ = stand_in_reader()
    with pytest.raises(ModelFormatError, match="'character'"):
        Reader(detector, StandIn(always_ab))


def test_characters_of_another_model_are_refused() -> None:
    _, detector, _ = stand_in_reader()
    reader = Reader(detector, StandIn(always_ab, {"character": "abcdef"}))
    with pytest.raises(ShapeError, match="do not belong together"):
        asyncio.run(reader(blank(368, 400)))


def test_pages_are_drawn_the_same_way_each_time() -> None:
    again: dict[str, RenderedPage] = {page.name: page for page in render_pages()}
    assert len(again) >= 6
    np.testing.assert_array_equal(again["two columns"].picture, PAGE.picture)


def test_models_are_let_go_when_one_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import intab.runtime
    from intab.pipelines import pipeline

    opened: list[StandIn] = []

    async def load(source: object, **options: object) -> StandIn:
        if source == "rec":
            raise ModelFormatError("rec: damaged.")
        opened.append(StandIn(three_bars))
        return opened[-1]

    monkeypatch.setattr(intab.runtime, "load", load)
    with pytest.raises(ModelFormatError, match="damaged"):
        asyncio.run(pipeline("ocr", detector="det", recogniser="rec"))
    assert [session.disposals for session in opened] == [1]


def test_an_unknown_pipeline_names_the_known_ones() -> None:
    from intab.pipelines import pipeline

    with pytest.raises(IntabError, match="there is no 'ocd'. Choose one of: ocr"):
        asyncio.run(pipeline("ocd"))
