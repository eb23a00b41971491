"""What ours.js calls, inside Pyodide: models loaded, fed, run and timed with the package as an author has it.

`agreement` comes from tests/agreement.py, which ours.js runs first into the same names.
"""

import platform
import time

import numpy as np

import intab
from intab.runtime import Session

SESSIONS: dict[str, Session] = {}
FEEDS = {}
OUTPUTS = {}


def about():
    """Versions, for the report."""
    return {"intab": intab.__version__, "python": platform.python_version()}


async def load_model(model, url):
    """Load a model; what its stages took."""
    SESSIONS[model] = await intab.load(url)
    return stats(model)


def feed(model, name, shape, data):
    """Keep a float32 tensor as the feed of the next runs. data: its bytes, a Uint8Array."""
    FEEDS[model] = {name: np.frombuffer(data.to_bytes(), np.float32).reshape(shape.to_py())}


async def run(model):
    """Milliseconds of a run, copying feeds in and outputs out included."""
    begin = time.perf_counter()
    OUTPUTS[model] = await SESSIONS[model].run(FEEDS[model])
    return (time.perf_counter() - begin) * 1e3


def stats(model):
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


def dispose(model):
    """Give the model back."""
    SESSIONS.pop(model).dispose()
    OUTPUTS.pop(model, None)


def compare(model, theirs):
    """The agreement of the last run with the peer's outputs: list of {name, shape, data}, data float32."""
    far = []
    for other in theirs:
        expected = np.frombuffer(other.data.to_bytes(), np.float32).reshape(other.shape.to_py())
        far.append(agreement(OUTPUTS[model][other.name], expected))  # noqa: F821
    return max(far)
