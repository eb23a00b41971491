"""Trained models quantized by onnxruntime's own tools, in both of their formats, and pictures to run them on.

Activations are u8 and weights i8, ranges are the least and most of what calibration pictures make: rendered pages for
OCR, photographs for classes. The pictures to run on are others.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
import skimage
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from intab.media.resize import resize
from intab.pipelines.ocr.classify import classifier_feed
from intab.pipelines.ocr.feeds import fill_detector_planes
from tests.conftest import MODELS
from tests.efficientnet_lite0 import efficientnet_lite0, prepared_picture
from tests.ocr_feeds import rendered_lines
from tests.pipelines.random_pages import random_page

Numbers = NDArray[Any]
Form = Literal["QDQ", "QOperator"]

FORMS: tuple[Form, ...] = ("QDQ", "QOperator")
QUANTIZED = ("det", "efficientnet_lite0", "cls")
INPUT = "x"  # of all of them
DETECTOR_SIZES = ((480, 640), (640, 640), (640, 480))
CALIBRATION_PAGES, OTHER_PAGES = 12, (100, 101, 102)
CALIBRATION_PHOTOS = ("astronaut", "camera", "coins", "color", "ihc", "logo", "moon", "retina", "rocket", "grass")
OTHER_PHOTOS = ("coffee", "chelsea", "motorcycle_left")


def float_model(name: str) -> Path:
    """The file of a model before it is quantized. Raises FileNotFoundError when set-up has not brought it."""
    if name != "efficientnet_lite0":
        return MODELS / "ocr" / f"{name}.onnx"
    made, weights = MODELS / "tests" / f"{name}.onnx", MODELS / "tests" / f"{name}.pth"
    return _kept(made, lambda: efficientnet_lite0(weights))


def quantized(name: str, form: Form, *, per_channel: bool = False) -> Path:
    """The file of a quantized model, made when it is not there: in a minute for the detector.

    `per_channel` gives every filter a scale of its own.
    """
    return _kept(_place(name, form, per_channel), lambda: _quantize(name, form, per_channel))


@cache
def calibration_feeds(name: str) -> tuple[Numbers, ...]:
    """What ranges are taken from."""
    match name:
        case "det":
            return tuple(map(_page, range(CALIBRATION_PAGES)))
        case "cls":
            return tuple(_lines()[::2])
        case _:
            return tuple(map(_photo, CALIBRATION_PHOTOS))


@cache
def other_feeds(name: str) -> tuple[Numbers, ...]:
    """Some that calibration did not see."""
    match name:
        case "det":
            return tuple(map(_page, OTHER_PAGES))
        case "cls":
            return tuple(_lines()[1::2])
        case _:
            return tuple(map(_photo, OTHER_PHOTOS))


def _page(seed: int) -> Numbers:
    height, width = DETECTOR_SIZES[seed % len(DETECTOR_SIZES)]
    feed = np.empty((1, 3, height, width), np.float32)
    fill_detector_planes(resize(random_page(seed).picture, height=height, width=width), feed[0])
    return feed


def _lines() -> list[Numbers]:
    upright = rendered_lines()
    return [classifier_feed([line]) for line in (*upright, *(line[::-1, ::-1] for line in upright))]


def _photo(name: str) -> Numbers:
    return prepared_picture(next((Path(skimage.__file__).parent / "data").glob(f"{name}.*")))


class _Calibration(CalibrationDataReader):
    """Feeds one after the other."""

    def __init__(self, feeds: Iterable[Numbers]) -> None:
        self._feeds: Iterator[Mapping[str, Numbers]] = iter([{INPUT: feed} for feed in feeds])

    def get_next(self) -> Mapping[str, Numbers] | None:
        return next(self._feeds, None)


def _quantize(name: str, form: Form, per_channel: bool) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        prepared, made = Path(folder) / "prepared.onnx", Path(folder) / "made.onnx"
        quant_pre_process(str(float_model(name)), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(made),
            _Calibration(calibration_feeds(name)),
            quant_format=QuantFormat[form],
            per_channel=per_channel,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return made.read_bytes()


def _place(name: str, form: Form, per_channel: bool) -> Path:
    """Where a quantized model lies: under a digest of all that made it, so that no old one is taken for it."""
    parts = (Path(__file__).read_bytes(), float_model(name).read_bytes(), onnxruntime.__version__.encode())
    digest = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:12]
    return MODELS / "tests" / "quantized" / f"{name}.{form}{'.channels' if per_channel else ''}.{digest}.onnx"


def _kept(path: Path, make: Callable[[], bytes]) -> Path:
    """A file that is made when it is not there, whole or not at all."""
    if not path.is_file():
        content = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(content)
        partial.replace(path)
    return path
