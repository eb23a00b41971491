"""Reading the text in a picture: find lines, straighten each, recognise it.

The models are PaddleOCR's; how they are fed and their answers understood is that of rapidocr 3.10 with its
default settings (and without angle classification, unless asked for), so the same text comes out.
"""

from typing import TYPE_CHECKING

from intab.pipelines._session import ModelSession
from intab.pipelines.ocr.reader import Line, Progress, Reader, tell_nobody
from intab.pipelines.ocr.timings import Timings

if TYPE_CHECKING:
    from intab.runtime.cache import ProgramStore

__all__ = ["Line", "Reader", "Timings", "create"]

DETECTOR, RECOGNISER, CLASSIFIER = "models/ocr/det.onnx", "models/ocr/rec.onnx", "models/ocr/cls.onnx"


async def create(
    *,
    detector: object = DETECTOR,
    recogniser: object = RECOGNISER,
    classifier: object = CLASSIFIER,
    classify_angle: bool = False,
    text_score: float = 0.5,
    backend: str = "auto",
    precision: str = "auto",
    progress: Progress = tell_nobody,
    programs: "ProgramStore | None" = None,
) -> Reader:
    """Load the models and return a Reader.

    detector, recogniser, classifier: the model files, anything that `intab.load` takes; the classifier is loaded
    only with classify_angle, which turns lines that stand on their head. Lines with a score below text_score
    are left out. programs: where compiled models are kept, as of `intab.load`. Raises what `intab.load` raises;
    models loaded before the one that failed are disposed of.
    """
    from intab.runtime import load

    sources = [detector, recogniser] + ([classifier] if classify_angle else [])
    sessions: list[ModelSession] = []
    try:
        for source in sources:
            loading = load(source, backend=backend, precision=precision, progress=progress, programs=programs)
            sessions.append(await loading)
        return Reader(*sessions, text_score=text_score)
    except BaseException:
        for session in sessions:
            session.dispose()
        raise
