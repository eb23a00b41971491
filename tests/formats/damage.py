"""Damaging model files on purpose, and watching what reading them costs."""

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from intab.errors import IntabError
from intab.formats import read
from intab.formats.onnx.schema import MODEL, decode
from intab.formats.onnx.wire import LENGTH, Field, Span, WireReader
from intab.graph.storage import MemoryStorage
from intab.graph.verify import verify
from intab.ops.inference import infer

# Beyond twice the file: Python's own objects for the structure of a small file, and windows.
SPARE_NBYTES = 24 << 20
# Reading takes tens of milliseconds; this only tells a hang from a machine that is busy.
HANG_S = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How reading went: "graph", or the error's class; the time it took; the peak of memory if it was watched."""

    kind: str
    seconds: float
    peak_nbytes: int = 0


def read_damaged(data: bytes | bytearray, *, watch_memory: bool = False, verified: bool = False) -> Outcome:
    """Read bytes that may be damaged. Any exception but an IntabError is passed on: it is a bug."""
    if watch_memory:
        tracemalloc.start()
    start = time.perf_counter()
    try:
        graph = read(MemoryStorage("damaged.onnx", data))
        if verified:
            verify(graph, infer)
        kind = "graph"
    except IntabError as error:
        assert str(error), f"{type(error).__name__} without a message"
        kind = type(error).__name__
    seconds = time.perf_counter() - start
    peak_nbytes = 0
    if watch_memory:
        peak_nbytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak_nbytes <= 2 * len(data) + SPARE_NBYTES, f"reading {len(data)} bytes took {peak_nbytes}"
    assert seconds < HANG_S, f"reading took {seconds:.1f} s"
    return Outcome(kind, seconds, peak_nbytes)


@contextmanager
def flipped(data: bytearray, places: "list[int]", masks: "list[int]") -> Iterator[bytearray]:
    """The data with bits of some bytes flipped, and put right again afterwards: a copy of 20 MB each time is slow."""
    for place, mask in zip(places, masks, strict=True):
        data[place] ^= mask
    try:
        yield data
    finally:
        for place, mask in zip(places, masks, strict=True):
            data[place] ^= mask


def structural_places(data: bytes) -> "np.ndarray":
    """Offsets of the bytes that a reader looks at: heads of fields, numbers and names, but no weights."""
    reader = _RecordingReader(MemoryStorage("whole.onnx", data))
    decode(reader, MODEL, reader.whole)
    places = np.zeros(len(data), dtype=bool)
    for start, stop in reader.seen:
        places[start:stop] = True
    return np.flatnonzero(places)


class _RecordingReader(WireReader):
    """Notes which bytes are looked at."""

    __slots__ = ("seen",)

    def __init__(self, storage: MemoryStorage) -> None:
        super().__init__(storage)
        self.seen: list[Span] = []

    def fields(self, span: Span) -> Iterator[Field]:
        start = span.start
        for number, wire_type, value, stop in super().fields(span):
            self.seen.append(Span(start, value if wire_type == LENGTH else stop))
            start = stop
            yield number, wire_type, value, stop

    def copy(self, start: int, stop: int) -> bytes:
        if stop - start < 256:  # long texts are metadata
            self.seen.append(Span(start, stop))
        return super().copy(start, stop)
