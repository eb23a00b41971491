"""Where the time of one reading went."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds by stage. The three runs of models are apart from the work around them.

    open_ms: fetch and decode the picture. preprocess_ms: resize and normalise, for all models. postprocess_ms: from
    the detector's map to boxes. crop_ms: cut out and straighten. decode_ms: from the recogniser's scores to text.
    detect_ms, classify_ms, recognise_ms: the models. total_ms: from call to return, without waiting in the queue.
    """

    open_ms: float = 0.0
    preprocess_ms: float = 0.0
    detect_ms: float = 0.0
    postprocess_ms: float = 0.0
    crop_ms: float = 0.0
    classify_ms: float = 0.0
    recognise_ms: float = 0.0
    decode_ms: float = 0.0
    total_ms: float = 0.0

    @property
    def run_ms(self) -> float:
        """The models alone."""
        return self.detect_ms + self.classify_ms + self.recognise_ms

    @property
    def around_ms(self) -> float:
        """Everything but the models and opening the picture: pre- and post-processing."""
        return self.total_ms - self.run_ms - self.open_ms


@dataclass(slots=True)
class Stopwatch:
    """Adds up the time spent in each stage."""

    started: float = field(default_factory=time.perf_counter)
    spent_ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time inside the block as `name`, a field of Timings."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.spent_ms[name] = self.spent_ms.get(name, 0.0) + (time.perf_counter() - began) * 1e3

    def timings(self) -> Timings:
        """What was measured so far."""
        return Timings(**self.spent_ms, total_ms=(time.perf_counter() - self.started) * 1e3)
