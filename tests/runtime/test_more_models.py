"""Models other than those of the site, against native onnxruntime, at several sizes, and what they are known to say."""

import asyncio
import wave
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from intab.runtime import Session, load
from intab.target import WASM_RELAXED_SIMD, WASM_SIMD
from tests.agreement import agreement
from tests.conftest import MODELS
from tests.light_models import LIGHT_MODELS, light_model
from tests.running import pool_of
from tests.runtime.pools import on

Numbers = NDArray[Any]
Feeds = dict[str, Numbers]

TOLERANCE = 1e-3
TARGETS = {"reference": None, "relaxed": WASM_RELAXED_SIMD, "plain": WASM_SIMD}
PLACES = ["reference", *(pytest.param(name, marks=pytest.mark.wasmtime) for name in ("relaxed", "plain"))]

WINDOW, CONTEXT = 512, 64  # samples that silero-vad looks at, new and from before
STATE = (1, 1, 128)
PYTHON = 143  # the class of magika's standard_v3_3
PADDING = 256
# Token numbers of "how do i reset my password", "i forgot my password and cannot log in", "the weather is sunny today".
PASSWORD = (101, 2129, 2079, 1045, 25141, 2026, 20786, 102)
LOGIN = (101, 1045, 9471, 2026, 20786, 1998, 3685, 8833, 1999, 102)
WEATHER = (101, 1996, 4633, 2003, 11559, 2651, 102)


def material(name: str) -> Path:
    """A file that only tests read."""
    path = MODELS / "tests" / name
    if not path.is_file():
        pytest.skip(f"{name} is not in the cache: run python3 scripts/setup.py")
    return path


@cache
def native(path: Path | str) -> onnxruntime.InferenceSession:
    """A model on native onnxruntime, from a file or the name of a light model."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    model = str(path) if isinstance(path, Path) else light_model(path)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def far(session: Session, path: Path | str, feeds: Feeds) -> dict[str, float]:
    """How far each output is from onnxruntime's."""
    names = [output.name for output in native(path).get_outputs()]
    expected = dict(zip(names, native(path).run(names, feeds), strict=True))
    found = session.run_sync(feeds)
    return {name: agreement(found[name], expected[name]) for name in names}


def feeds_of(model: str) -> Iterator[Feeds]:
    """Seeded feeds at several sizes."""
    random = np.random.default_rng(5)

    def floats(*shape: int) -> Numbers:
        return (0.1 * random.standard_normal(shape)).astype(np.float32)

    match model:
        case "silero":
            for count in (1, 7, 31):
                yield {"input": floats(count, CONTEXT + WINDOW), "h": floats(*STATE), "c": floats(*STATE)}
        case "magika":
            for count in (1, 3):
                yield {"bytes": random.integers(0, PADDING + 1, (count, 2048)).astype(np.int32)}
        case "minilm":
            for batch, length in ((1, 9), (2, 33), (1, 128)):
                mask = np.ones((batch, length), np.int64)
                mask[-1, 1 + length // 2 :] = 0
                yield sentence(random.integers(0, 30522, (batch, length)), mask)


def sentence(ids: Numbers, mask: Numbers | None = None) -> Feeds:
    """What MiniLM takes. ids [B, T], mask [B, T] of 1 where there is a token."""
    whole = np.asarray(ids, np.int64)
    mask = np.ones_like(whole) if mask is None else mask
    return {"input_ids": whole, "attention_mask": mask, "token_type_ids": np.zeros_like(whole)}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("model", ["silero", "magika", "minilm"])
def test_agrees_with_native(model: str, place: str) -> None:
    path, target = material(f"{model}.onnx"), TARGETS[place]
    with on(None if target is None else pool_of(target)) as backend:
        session: Session = asyncio.run(load(path, backend=backend))
        found = [far(session, path, feeds) for feeds in feeds_of(model)]
        weights = session.memory().weights
        session.dispose()
    assert len(found) >= 2
    assert max(max(each.values()) for each in found) <= TOLERANCE, found
    # What a file holds as bytes is not blown up into floats.
    assert weights <= path.stat().st_size * 1.02


@pytest.mark.wasmtime
@pytest.mark.parametrize("model", LIGHT_MODELS)
def test_light_models_agree_with_native(model: str) -> None:
    feed = 0.5 * np.random.default_rng(7).standard_normal((1, 3, 224, 224)).astype(np.float32)
    with on(pool_of(WASM_RELAXED_SIMD)) as backend:
        session: Session = asyncio.run(load(light_model(model), backend=backend))
        (name,) = (value.name for value in session.inputs)
        found = far(session, model, {name: feed})
        session.dispose()
    native.cache_clear()  # some of these hold half a gigabyte
    light_model.cache_clear()
    assert max(found.values()) <= TOLERANCE, found


def run_once(path: Path, feeds: Mapping[str, Numbers]) -> dict[str, Numbers]:
    with on(pool_of(WASM_RELAXED_SIMD)) as backend:
        session: Session = asyncio.run(load(path, backend=backend))
        found = session.run_sync(dict(feeds))
        session.dispose()
    return {name: np.asarray(array) for name, array in found.items()}


def windows(sound: Numbers) -> Numbers:
    """[samples] -> [windows, CONTEXT + WINDOW], each with the end of the one before."""
    count = len(sound) // WINDOW
    padded = np.concatenate([np.zeros(CONTEXT, np.float32), sound])
    return np.stack([padded[i * WINDOW : (i + 1) * WINDOW + CONTEXT] for i in range(count)])


@pytest.mark.wasmtime
def test_speech_is_heard_in_a_recording_and_not_in_silence() -> None:
    with wave.open(str(material("beckett.wav"))) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    sound = (samples / 32768).astype(np.float32)
    state = {"h": np.zeros(STATE, np.float32), "c": np.zeros(STATE, np.float32)}
    speech = run_once(material("silero.onnx"), {"input": windows(sound), **state})["speech_probs"]
    assert speech.shape == (311,)
    assert int((speech > 0.5).sum()) == 141
    assert float(speech.mean()) == pytest.approx(0.4715, abs=5e-4)
    silence = run_once(material("silero.onnx"), {"input": windows(0 * sound), **state})["speech_probs"]
    assert float(silence.max()) < 0.02


@pytest.mark.wasmtime
def test_python_is_told_by_its_bytes() -> None:
    source = Path(__file__).read_bytes()
    begin, end = source[:4096].lstrip()[:1024], source[-4096:].rstrip()[-1024:]
    tokens = np.full((1, 2048), PADDING, np.int32)
    tokens[0, : len(begin)] = list(begin)
    tokens[0, 2048 - len(end) :] = list(end)
    scores = run_once(material("magika.onnx"), {"bytes": tokens})["target_label"]
    assert int(scores.argmax()) == PYTHON
    assert float(scores.max()) > 0.99


@pytest.mark.wasmtime
def test_sentences_of_like_meaning_lie_together() -> None:
    def embedded(tokens: tuple[int, ...]) -> Numbers:
        states = run_once(material("minilm.onnx"), sentence(np.array([tokens])))["last_hidden_state"]
        mean = states[0].mean(axis=0)
        return np.asarray(mean / np.linalg.norm(mean))

    password = embedded(PASSWORD)
    assert float(password @ embedded(LOGIN)) == pytest.approx(0.8082, abs=1e-3)
    assert float(password @ embedded(WEATHER)) == pytest.approx(-0.0246, abs=1e-3)
