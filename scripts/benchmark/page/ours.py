"""What ours.js calls, inside Pyodide: models loaded, fed, run and timed with the package as an author has it."""

import platform
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

import intab
from intab.runtime import Session, load
from tests.agreement import agreement

SESSIONS: dict[str, Session] = {}
FEEDS: dict[str, dict[str, NDArray[np.float32]]] = {}
OUTPUTS: dict[str, dict[str, NDArray[Any]]] = {}


def about() -> dict[str, str]:
    """Versions, for the report."""
    return {"intab": intab.__version__, "python": platform.python_version()}


async def load_model(model: str, url: str) -> dict[str, Any]:
    """Load a model; what its stages took."""
    SESSIONS[model] = await load(url, threads=1)
    return stats(model)


def feed(model: str, name: str, shape: Any, data: Any) -> None:
    """Keep a float32 tensor as the feed of the next runs. data: its bytes, a Uint8Array."""
    FEEDS[model] = {name: _floats(data, shape)}


async def run(model: str) -> float:
    """Milliseconds of a run, copying feeds in and outputs out included."""
    begin = time.perf_counter()
    OUTPUTS[model] = await SESSIONS[model].run(FEEDS[model])
    return (time.perf_counter() - begin) * 1e3


def stats(model: str) -> dict[str, Any]:
    """The figures of `intab run --json`."""
    seen = SESSIONS[model].stats()
    return {
        "backend": seen.backend,
        "load_ms": seen.load_ms,
        "compile_ms": seen.compile_ms,
        "peak_nbytes": seen.peak_nbytes,
        "steps": seen.steps,
        "kernels": seen.kernels,
    }


def dispose(model: str) -> None:
    """Give the model back."""
    SESSIONS.pop(model).dispose()
    OUTPUTS.pop(model, None)


def compare(model: str, name: str, shape: Any, data: Any, theirs: Any) -> dict[str, float]:
    """How far output `name` of the last run is from native onnxruntime's, whose bytes are `data`.

    theirs: the peer's outputs, a list of {name, shape, data}, or None; then also how far that is from either.
    """
    ours, native = OUTPUTS[model][name], _floats(data, shape)
    far = {"ours_native": agreement(ours, native)}
    for other in theirs or ():
        if other.name == name:
            peer = _floats(other.data, other.shape)
            far |= {"ours_theirs": agreement(ours, peer), "theirs_native": agreement(peer, native)}
    return far


def _floats(data: Any, shape: Any) -> NDArray[np.float32]:
    return np.frombuffer(data.to_bytes(), np.float32).reshape(shape.to_py())
