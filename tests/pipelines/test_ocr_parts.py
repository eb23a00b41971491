"""The parts of OCR, each against rapidocr's own function."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from intab.pipelines.ocr import classify, ctc, fit, recognise
from intab.pipelines.ocr.detect import detector_feed, text_boxes
from intab.pipelines.ocr.feeds import without_colour
from intab.pipelines.ocr.order import reading_order
from tests.media.masks import bars


def native_postprocess() -> Any:
    from rapidocr.ch_ppocr_det.utils import DBPostProcess

    return DBPostProcess(thresh=0.3, box_thresh=0.5, max_candidates=1000, unclip_ratio=1.6, use_dilation=True)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("size", [(256, 320), (191, 277), (512, 640)], ids=str)
def test_boxes_of_a_map(seed: int, size: tuple[int, int]) -> None:
    mask = bars(seed, height=256, width=320, count=8).astype(np.float32)
    text_map = cv2.GaussianBlur(mask, (0, 0), 1.5 + seed % 3) * np.float32(0.95)
    expected, _ = native_postprocess()(text_map[None, None], size)
    boxes = text_boxes(text_map, *size)
    assert len(boxes) == len(expected) > 0
    np.testing.assert_array_equal(boxes, expected)


def test_no_boxes() -> None:
    assert text_boxes(np.zeros((64, 96), np.float32), 64, 96).shape == (0, 4, 2)
    speck = np.zeros((64, 96), np.float32)
    speck[5, 5] = 1
    assert text_boxes(speck, 64, 96).shape == (0, 4, 2)
    assert reading_order(np.zeros((0, 4, 2), np.float32)).tolist() == []


def test_reading_order() -> None:
    from rapidocr.ch_ppocr_det.main import TextDetector

    rng = np.random.default_rng(4)
    for count in (1, 2, 7, 60):
        corner = rng.integers(0, [900, 200], (count, 1, 2)).astype(np.float32)
        boxes = corner + np.array([[0, 0], [50, 0], [50, 20], [0, 20]], np.float32)
        np.testing.assert_array_equal(boxes[reading_order(boxes)], TextDetector.sorted_boxes(boxes))


@pytest.mark.parametrize("size", [(191, 384), (736, 736), (40, 64), (1600, 1216)], ids=str)
@pytest.mark.parametrize("gray", [True, False])
def test_detector_feed(size: tuple[int, int], gray: bool) -> None:
    from rapidocr.ch_ppocr_det.utils import DetPreProcess

    picture = np.random.default_rng(1).integers(0, 256, (*size, 1 if gray else 3), dtype=np.uint8)
    blue_first = np.ascontiguousarray(np.broadcast_to(picture, (*size, 3))[..., ::-1])
    np.testing.assert_array_equal(detector_feed(picture), DetPreProcess(736, "min")(blue_first))


@pytest.mark.parametrize("size", [(500, 400), (2600, 1900), (1999, 3001), (20, 90), (90, 21), (29, 29), (300, 2600)])
def test_fitting_and_back(size: tuple[int, int]) -> None:
    from rapidocr.utils.process_img import apply_vertical_padding, map_boxes_to_original, resize_image_within_bounds

    picture = np.random.default_rng(2).integers(0, 256, (*size, 3), dtype=np.uint8)
    expected, ratio_h, ratio_w = resize_image_within_bounds(picture, 30, 2000)
    record = {"preprocess": {"ratio_h": ratio_h, "ratio_w": ratio_w}}
    expected, record = apply_vertical_padding(expected, record, 8, 30)
    fitted = fit.fit(picture)
    np.testing.assert_array_equal(fitted.picture, expected)
    boxes = np.random.default_rng(3).uniform(-5, 2000, (9, 4, 2)).astype(np.float32)
    np.testing.assert_allclose(fitted.to_given(boxes), map_boxes_to_original(boxes.copy(), record, *size), rtol=1e-6)


def test_sides_stay_within_bounds() -> None:
    for height, width in [(1, 2000), (2000, 1), (1, 1), (64_000, 1000), (7, 9000)]:
        new_height, new_width = fit.bounded_size(height, width)
        assert 32 <= new_height <= 4096 and 32 <= new_width <= 4096
        detect_height, detect_width = fit.detect_size(new_height, new_width)
        assert detect_height * detect_width < 6_600_000


def native_line_feed(line: NDArray[np.uint8], ratio: float) -> NDArray[np.float32]:
    """What rapidocr makes of a line, from the blue-first picture that it works on."""
    from rapidocr.ch_ppocr_rec.main import TextRecognizer

    recogniser = TextRecognizer.__new__(TextRecognizer)
    recogniser.rec_image_shape = [3, 48, 320]
    return np.asarray(recogniser.resize_norm_img(np.ascontiguousarray(line[..., ::-1]), ratio))


def test_batches_and_their_feeds() -> None:
    rng = np.random.default_rng(6)
    sizes = [(int(height), int(width)) for height, width in rng.integers([15, 20], [60, 900], (20, 2))]
    lines = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    plan = recognise.batches(sizes, 100)
    order = [line for batch in plan for line in batch.lines]
    assert order == np.argsort([width / height for height, width in sizes], kind="stable").tolist()
    assert [len(batch.lines) for batch in plan] == [6, 6, 6, 2]
    for batch in plan:
        ratio = max(320 / 48, *(sizes[i][1] / sizes[i][0] for i in batch.lines))
        assert batch.width == int(48 * ratio)
        feed = recognise.lines_feed([lines[i] for i in batch.lines], batch.width)
        for row, i in zip(feed, batch.lines, strict=True):
            np.testing.assert_array_equal(row, native_line_feed(lines[i], ratio))


def test_batches_with_many_scores_go_in_parts_of_the_same_width() -> None:
    sizes = [(20, 1800 + i) for i in range(6)]
    whole, parts = recognise.batches(sizes, 100), recognise.batches(sizes, 18_710)
    assert [len(batch.lines) for batch in whole] == [6]
    assert len(parts) > 1 and sum((batch.lines for batch in parts), ()) == whole[0].lines
    assert {batch.width for batch in parts} == {whole[0].width}
    for batch in parts:
        assert len(batch.lines) * batch.width / 8 * 18_710 * 4 <= recognise.MAX_SCORES_NBYTES
    assert len(recognise.batches([(10, 20_000)], 18_710)) == 1
    assert recognise.batches([], 100) == []


def test_ctc_decoding() -> None:
    from rapidocr.ch_ppocr_rec.utils import CTCLabelDecode

    characters = list("abcdefgh")
    scores = np.random.default_rng(8).random((5, 40, 10)).astype(np.float32) ** 4
    scores[1, :, 0] = 2  # nothing but blanks
    scores[2, 3:9] = scores[2, 3]  # a long repetition
    scores /= scores.sum(axis=2, keepdims=True)
    expected, _ = CTCLabelDecode(character=characters.copy())(scores)
    decoded = ctc.decode(scores, ctc.charset({"character": "\n".join(characters)}))
    assert [text for text, _ in decoded] == [text for text, _ in expected]
    np.testing.assert_allclose([score for _, score in decoded], [score for _, score in expected], atol=2e-5)


def test_classifier() -> None:
    from rapidocr.ch_ppocr_cls.main import TextClassifier

    native = TextClassifier.__new__(TextClassifier)
    native.cls_image_shape = [3, 48, 192]
    rng = np.random.default_rng(1)
    lines = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((30, 50), (20, 400))]
    for line, row in zip(lines, classify.classifier_feed(lines), strict=True):
        np.testing.assert_array_equal(row, native.resize_norm_img(np.ascontiguousarray(line[..., ::-1])))
    scores = np.array([[0.95, 0.05], [0.05, 0.95], [0.2, 0.8]], np.float32)
    assert classify.upside_down(scores).tolist() == [False, True, False]


def test_a_picture_without_colour_has_one_channel() -> None:
    gray = np.random.default_rng(0).integers(0, 256, (20, 30, 1), dtype=np.uint8).repeat(3, axis=2)
    assert without_colour(gray).shape == (20, 30, 1)
    for row, channel in ((0, 0), (10, 1), (19, 2)):
        coloured = gray.copy()
        coloured[row, 5, channel] ^= 1
        assert without_colour(coloured) is coloured
