"""rapidocr itself, to compare with."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True, slots=True, eq=False)
class NativeLines:
    """What rapidocr read: texts [N], scores [N], boxes [N, 4, 2]."""

    texts: tuple[str, ...]
    scores: tuple[float, ...]
    boxes: NDArray[np.float32]


@cache
def _engine(classify_angle: bool) -> Any:
    from rapidocr import RapidOCR

    threads = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}  # as OnnxSession
    return RapidOCR(params={"Global.use_cls": classify_angle, "Global.log_level": "error", **threads})


def read_natively(picture: NDArray[np.uint8], *, classify_angle: bool = False) -> NativeLines:
    """The lines that rapidocr 3.10 finds in picture [H, W, 3], with its settings as they come but for the angle."""
    found = _engine(classify_angle)(Image.fromarray(picture))
    if found.boxes is None:
        return NativeLines((), (), np.zeros((0, 4, 2), np.float32))
    return NativeLines(tuple(found.txts), tuple(found.scores), np.asarray(found.boxes, np.float32))
