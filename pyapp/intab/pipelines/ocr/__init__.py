"""Reading the text in a picture: find lines, straighten each, recognise it.

The models are PaddleOCR's; how they are fed and their answers understood is that of rapidocr 3.10 with its
default settings (and without angle classification, unless asked for), so the same text comes out.
"""

from intab.pipelines._session import ModelSession
from intab.pipelines.ocr.reader import Line, Progress, Reader, tell_nobody
from intab.pipelines.ocr.timings import Timings

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
) -> Reader:
    """Load the models and return a Reader.

    detector, recogniser, classifier: the model files, anything that `intab.load` takes; the classifier is loaded
    only with classify_angle, which turns lines that stand on their head. Lines with a score below text_score
    are left out. Raises what `intab.load` raises; models loaded before the one that failed are disposed of.
    """
    from intab.runtime import load

    sources = [detector, recogniser] + ([classifier] if classify_angle else [])
    sessions: list[ModelSession] = []
    try:
        for source in sources:
            sessions.append(await load(source, backend=backend, precision=precision, progress=progress))
        return Reader(*sessions, text_score=text_score)
    except BaseException:
        for session in sessions:
            session.dispose()
        raise
