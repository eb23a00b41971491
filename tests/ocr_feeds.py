"""Feeds for the OCR models, random and as pictures make them, and what native onnxruntime answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from intab.media.resize import resize
from intab.pipelines.ocr.classify import classifier_feed
from intab.pipelines.ocr.recognise import LINE_HEIGHT, lines_feed
from tests.pipelines.pages import render_pages

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]

SEED = 7
"""With this one the detector takes some of the smallest noise for text: tests/runtime/test_models.py says why."""
INPUT = "x"  # of all three models
LOGITS = "det-logits"
"""The detector without its last Sigmoid."""
DETECTOR_SHAPES = ((1, 3, 320, 320), (1, 3, 480, 640), (1, 3, 640, 640))
RANDOM_SHAPES = {
    "det": DETECTOR_SHAPES,
    LOGITS: DETECTOR_SHAPES,
    "rec": ((1, 3, LINE_HEIGHT, 320), (2, 3, LINE_HEIGHT, 203), (3, 3, LINE_HEIGHT, 480)),
    "cls": ((1, 3, 48, 192), (6, 3, 48, 192), (2, 3, 64, 256)),
}


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """What a model is given. array [N, 3, H, W]."""

    name: str
    array: Floats


def random_feeds(model: str) -> list[Feed]:
    """Floats N(0, 1) x 0.5 from a fixed seed, at three sizes."""
    random = np.random.default_rng(SEED)
    shapes = RANDOM_SHAPES[model]
    return [Feed(f"random {_times(s)}", (0.5 * random.standard_normal(s)).astype(np.float32)) for s in shapes]


def picture_feeds(model: str, skimage_picture: Callable[[str], Path]) -> list[Feed]:
    """Feeds as the pipeline makes them, at three sizes: a scan, rendered text and a photo; one line and more."""
    if model in ("det", LOGITS):
        page, photo = (_open(skimage_picture(name)) for name in ("page.png", "astronaut.png"))
        plain = render_pages()[0].picture
        sized = ((page[:160, :160], 320, 320), (plain, 480, 640), (photo, 640, 640))
        return [Feed(f"{name} {h}x{w}", _detector_feed(p, h, w)) for name, (p, h, w) in zip(_KINDS, sized, strict=True)]
    lines = rendered_lines()
    if model == "cls":
        groups = (lines[:1], lines[1:4], [line[::-1, ::-1] for line in lines])
        return [Feed(f"{len(group)} lines", classifier_feed(group)) for group in groups]
    groups_of_widths = ((lines[:1], 800), ([line[:, :200] for line in lines[1:3]], 320), (lines[3:], 700))
    return [Feed(f"{len(group)} lines {width}", lines_feed(group, width)) for group, width in groups_of_widths]


_KINDS = ("scan", "rendered", "photo")


def rendered_lines() -> list[Picture]:
    """The lines of a rendered page [h, w, 3], cut out where they were drawn: 28 pixels high, 48 apart."""
    page = render_pages()[0]
    first, step, room = 56, 48, 6
    return [page.picture[first + step * row - room :][:step] for row in range(len(page.truth_lines))]


def _open(path: Path) -> Picture:
    return np.array(Image.open(path).convert("RGB"))


def _detector_feed(picture: Picture, height: int, width: int) -> Floats:
    """Levels 0 .. 255 as -1 .. 1, planes in the order blue, green, red: [1, 3, height, width]."""
    levels = resize(picture, height=height, width=width)[..., ::-1].astype(np.float32)
    return np.ascontiguousarray((levels / 127.5 - 1).transpose(2, 0, 1))[None]


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def without_last_sigmoid(path: Path) -> bytes:
    """The model in `path` cut before its last node, which must be a Sigmoid."""
    model = onnx.load(path)
    nodes = model.graph.node
    last = nodes[-1]
    assert last.op_type == "Sigmoid" and last.output[0] == model.graph.output[0].name, "not the detector"
    del nodes[-1], model.graph.output[:]
    model.graph.output.append(onnx.ValueInfoProto(name=last.input[0]))
    cut: bytes = model.SerializeToString()
    return cut


def model_files(ocr_models: Mapping[str, Path]) -> dict[str, bytes]:
    """The three OCR models, and the detector's logits."""
    files = {name: path.read_bytes() for name, path in ocr_models.items()}
    return files | {LOGITS: without_last_sigmoid(ocr_models["det"])}


class Native:
    """A model on native onnxruntime, one thread, with or without its optimiser."""

    def __init__(self, model: bytes, *, optimised: bool = True) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        if not optimised:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        (self.output,) = (value.name for value in self._session.get_outputs())

    def run(self, feed: Floats) -> Floats:
        """The one output."""
        (found,) = self._session.run(None, {INPUT: feed})
        return np.asarray(found)
