"""The messages between a page and its kernel worker, each defined here and nowhere else.

`web/messages.d.ts`, which types the JavaScript side, is written from this file by
`scripts/declare_messages.py`; a test fails when it is stale. A page sends a Call and gets any number of
Progress and then one Result or Failure with the same id; Cancel asks a call to end early, with a
Failure named Cancelled. Everything ending in `_ms` is milliseconds, boxes are in pixels of the picture.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Final

JsBlob = Annotated[Any, "Blob"]
"""A Blob or File of JavaScript. It crosses by reference: no bytes are copied until it is read."""


@dataclass(frozen=True, slots=True)
class Call:
    """Page to worker: do `method` with `arguments`, an object with the fields of its row in METHODS."""

    id: int
    method: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Page to worker: the call `id` is no longer wanted."""

    id: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Worker to page: how far the call `id` is. Stage is "download" (bytes), "start", "compile" or "run" (steps).

    An id of 0 belongs to no call: the downloads that the worker began by itself. A total of 0 is not known.
    """

    id: int
    stage: str
    done: float
    total: float


@dataclass(frozen=True, slots=True)
class Result:
    """Worker to page: the call `id` ended well; `value` has the fields of its row in METHODS."""

    id: int
    value: Any


@dataclass(frozen=True, slots=True)
class Failure:
    """Worker to page: the call `id` ended badly. `error` is the class of intab.errors; `trace` is for a report."""

    id: int
    error: str
    message: str
    trace: str


@dataclass(frozen=True, slots=True)
class Start:
    """Bring Python up. navigation_ms: when the page's navigation began, in ms since the epoch."""

    navigation_ms: float


@dataclass(frozen=True, slots=True)
class Started:
    """snapshot: "used", or why not. marks: ms from the navigation to each milestone, in order."""

    intab: str
    python: str
    pyodide: str
    snapshot: str
    marks: dict[str, float]


@dataclass(frozen=True, slots=True)
class OpenReader:
    """Load and compile the models that read text. backend: "auto" or the name of one."""

    backend: str = "auto"


@dataclass(frozen=True, slots=True)
class ReaderOpened:
    """What reads, and how long it took to get it: load is fetch and parse, compile is up to runnable kernels."""

    backend: str
    adapter: str
    threads: int
    load_ms: float
    compile_ms: float


@dataclass(frozen=True, slots=True)
class ReadPicture:
    """Read the text in `picture`; `name` is used in messages."""

    picture: JsBlob
    name: str


@dataclass(frozen=True, slots=True)
class ReadLine:
    """One line of text. box [4][2]: its corners, x then y, clockwise from top left. score in 0..1."""

    text: str
    score: float
    box: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class ReadTimings:
    """Where the time went. open: decode the picture. around: the picture work before, between, after the models."""

    open_ms: float
    detect_ms: float
    recognise_ms: float
    around_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True)
class PictureRead:
    """The lines in reading order; empty when there is no text."""

    lines: tuple[ReadLine, ...]
    backend: str
    timings: ReadTimings


@dataclass(frozen=True, slots=True)
class RunModel:
    """Run the model at URL `model`. feeds: URL of an .npz, or null for made-up ones. dims: sizes of symbols.

    threads: null to have them chosen. profile: look into the last run afterwards.
    """

    model: str
    feeds: str | None = None
    dims: dict[str, int] = field(default_factory=dict)
    backend: str = "auto"
    threads: int | None = None
    repeat: int = 1
    fetch: bool = False
    profile: bool = False


@dataclass(frozen=True, slots=True)
class ModelRun:
    """How it went; the keys of `intab run --json`. fetches: an .npz with every output when they were asked for.

    profile: a table of where the time goes, and trace the same as a Chrome trace, when they were asked for.
    """

    backend: str
    adapter: str
    threads: int
    load_ms: float
    compile_ms: float
    first_run_ms: float
    run_ms: tuple[float, ...]
    peak_nbytes: int
    steps: int
    kernels: int
    fetches: bytes | None
    profile: str | None
    trace: str | None


@dataclass(frozen=True, slots=True)
class TuneModel:
    """Time other shapes of the kernels of the model at URL `model` on the GPU, for `budget` seconds.

    feeds: URL of an .npz, or null for made-up ones. dims: sizes of symbols.
    """

    model: str
    feeds: str | None = None
    dims: dict[str, int] = field(default_factory=dict)
    budget: float = 60.0


@dataclass(frozen=True, slots=True)
class TunedProduct:
    """Of a problem of the model: the shape that was taken, the one found fastest, and the ms of all `steps` with it."""

    problem: str
    steps: int
    default: str
    best: str
    default_ms: float
    best_ms: float
    tried: int
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelTuned:
    """What was found, and kept in this browser. text: the same as a table.

    before_ms and after_ms: runs as the model was loaded first, and loaded anew with what was found.
    """

    adapter: str
    seconds: float
    products: tuple[TunedProduct, ...]
    left: int
    text: str
    before_ms: tuple[float, ...]
    after_ms: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ProbeDevice:
    """Say what this device has. media_kinds: `kind` of each of the page's media devices; null without mediaDevices.

    media_failure: why the page could not ask for them; empty where it could.
    """

    media_kinds: tuple[str, ...] | None
    media_failure: str


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One row of the table. has: null where that is no question. note: why it is not there, and what would bring it."""

    group: str
    name: str
    value: str
    has: bool | None
    note: str


@dataclass(frozen=True, slots=True)
class DeviceProbed:
    """The table by groups, the same as text, and as data: the fields of intab.Device."""

    rows: tuple[DeviceRow, ...]
    text: str
    device: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Method:
    """One row of the table: what a call carries and what its result is."""

    arguments: type[Any]
    result: type[Any]


METHODS: Final[dict[str, Method]] = {
    "start": Method(Start, Started),  # answered by web/worker.js, which brings Python up
    "open_reader": Method(OpenReader, ReaderOpened),
    "read_picture": Method(ReadPicture, PictureRead),
    "run_model": Method(RunModel, ModelRun),
    "tune_model": Method(TuneModel, ModelTuned),
    "probe_device": Method(ProbeDevice, DeviceProbed),
}

TO_WORKER: Final[dict[str, type]] = {"call": Call, "cancel": Cancel}
TO_PAGE: Final[dict[str, type]] = {"progress": Progress, "result": Result, "failure": Failure}
"""The field `kind` of a message that crosses -> what the rest of its fields are."""
