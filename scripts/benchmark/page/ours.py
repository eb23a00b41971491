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
    SESSIONS[model] = await load(url)
    return stats(model)


def feed(model: str, name: str, shape: Any, data: Any) -> None:
    """Keep a float32 tensor as the feed of the next runs. data: its bytes, a Uint8Array."""
    FEEDS[model] = {name: np.frombuffer(data.to_bytes(), np.float32).reshape(shape.to_py())}


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


def compare(model: str, theirs: Any) -> float:
    """The agreement of the last run with the peer's outputs: list of {name, shape, data}, data float32."""
    far = []
    for other in theirs:
        expected = np.frombuffer(other.data.to_bytes(), np.float32).reshape(other.shape.to_py())
        far.append(agreement(OUTPUTS[model][other.name], expected))
    return max(far)
