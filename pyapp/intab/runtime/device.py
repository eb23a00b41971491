"""Which back ends and threads this machine has, and the memory pool that all sessions of one share."""

from dataclasses import dataclass, replace
from functools import cache

from intab.backends.engine import Machine
from intab.backends.wasm.browser import BrowserMachine, SharedMachine
from intab.backends.wasm.desktop import WasmtimeMachine, wasmtime_is_installed
from intab.backends.wasm.pool import Pool
from intab.backends.wasm.threads import MOST_THREADS
from intab.browser import in_browser
from intab.browser.feature import features
from intab.errors import BackendUnavailableError, UnsupportedOpError

BACKENDS = ("wasm", "webgpu", "reference")
# More threads than this wait for memory more than they compute, and each holds an instance of every module.
MOST_CHOSEN = 8
# Up to so many processors, all of them compute; where there are more, half of them are slow cores or twins of others.
FEW_PROCESSORS = 4


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to run a model: the bytes that it needs and the ms that a run is thought to take, or did when tried.

    `refused` says why it is not to be used, "" where it might be.
    """

    backend: str
    precision: str
    threads: int
    needed_nbytes: int
    estimated_ms: float
    refused: str = ""
    measured_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What runs a model, and why.

    `measured`: `threads` are the most there may be, of which the fewest that are found to be fast are used.
    `precision` is the form of the model, of those that it is offered in. `candidates` are all ways that were looked at.
    """

    backend: str
    reasons: tuple[str, ...]
    threads: int = 1
    measured: bool = False
    precision: str = "float32"
    candidates: tuple[Candidate, ...] = ()

    def noted(self, reason: str) -> "Choice":
        """The same choice with one more thing to know."""
        return replace(self, reasons=(*self.reasons, reason))

    def table(self) -> str:
        """The candidates, a line each: what they need, what they take, and why not."""
        rows = [("back end", "precision", "threads", "MB", "about ms", "timed ms", "")]
        for one in self.candidates:
            is_chosen = (one.backend, one.precision) == (self.backend, self.precision)
            timed = "" if one.measured_ms is None else f"{one.measured_ms:.1f}"
            needed, about = f"{one.needed_nbytes / 1e6:.1f}", f"{one.estimated_ms:.1f}"
            why = "chosen" if is_chosen else one.refused
            rows.append((one.backend, one.precision, str(one.threads), needed, about, timed, why))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
        )

    def __str__(self) -> str:
        return f"{self.backend}: {'; '.join(self.reasons)}"


def wasm_pool(threads: int = 1) -> Pool:
    """The pool of this tab or process, for one thread or for several."""
    return _pool(shared=threads > 1)


@cache
def _pool(*, shared: bool) -> Pool:
    machine: Machine = SharedMachine() if shared else BrowserMachine() if in_browser() else WasmtimeMachine()
    return Pool(machine)


def choose(backend: str, threads: int | None = None) -> Choice:
    """The back end and threads for a request. Raises BackendUnavailableError for what is not there."""
    if threads is not None and threads < 1:
        raise BackendUnavailableError(f"threads={threads}: there is at least one. Leave it out to have it chosen.")
    return _with_threads(_backend(backend), threads)


def in_precision(choice: Choice, precision: str) -> Choice:
    """The choice with the form in which a model is to run, where that is none of its own.

    Raises UnsupportedOpError for a back end that keeps nothing in 16 bits.
    """
    if precision != "float16":
        return choice
    if choice.backend != "webgpu":
        raise UnsupportedOpError(
            f'precision="float16": {choice.backend} keeps all in 32 bits. Ask for backend="webgpu", or leave precision '
            "out."
        )
    return replace(choice, precision=precision)


def _with_threads(choice: Choice, threads: int | None) -> Choice:
    if choice.backend != "wasm" or not in_browser():
        return on_one_thread(choice, threads)
    seen = features()
    return on_threads(choice, threads, isolated=seen.cross_origin_isolated, processors=seen.processors)


def on_one_thread(choice: Choice, threads: int | None) -> Choice:
    """The choice where there never is more than one thread, of which nothing needs to be said."""
    if threads in (None, 1):
        return choice
    raise BackendUnavailableError(
        f"threads={threads}: the back end {choice.backend!r} computes on one thread here; threads are for "
        "WebAssembly in a browser. Leave threads out, or use threads=1."
    )


def on_threads(choice: Choice, threads: int | None, *, isolated: bool, processors: int) -> Choice:
    """The choice with a count of threads of a browser, as asked for or as many as may be of use, and why so many."""
    if not isolated and threads in (None, 1):
        return choice.noted("one thread, since the page is not cross-origin isolated")
    if not isolated:
        raise BackendUnavailableError(
            f"threads={threads}: the page is not cross-origin isolated, so that workers cannot share memory. Have its "
            "server send the headers COOP: same-origin and COEP: require-corp, or use threads=1."
        )
    if threads is not None and threads > MOST_THREADS:
        raise BackendUnavailableError(
            f"threads={threads}: there are at most {MOST_THREADS}. Leave it out, or ask for fewer."
        )
    if threads is not None:
        return replace(choice, threads=threads).noted(f"threads={threads} asked for")
    useful = useful_threads(processors)
    if useful == 1:
        return choice.noted("one thread on one processor")
    return replace(choice, threads=useful, measured=True).noted(f"up to {useful} threads on {processors} processors")


def useful_threads(processors: int) -> int:
    """As many threads as may be worth having; whether they are is measured."""
    return min(MOST_CHOSEN, processors if processors <= FEW_PROCESSORS else max(FEW_PROCESSORS, processors // 2))


def _backend(backend: str) -> Choice:
    if backend == "auto":
        return _automatic()
    if backend in BACKENDS:
        return Choice(backend, ("asked for",))
    raise BackendUnavailableError(
        f"There is no back end {backend!r} in this version of intab; there are {', '.join(BACKENDS)}. "
        'Use backend="auto".'
    )


def _automatic() -> Choice:
    if in_browser():
        return Choice("wasm", ("WebAssembly is there in every browser",))
    if wasmtime_is_installed():
        return Choice("wasm", ("desktop Python with the wasmtime package",))
    return Choice("reference", ("desktop Python without the wasmtime package",))
