"""The tensors that both sides are given: those of the main job as the pipeline makes them, and a few fixed ones."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from intab.pipelines.ocr import Reader

SEED = 2026
JOB_MODELS = frozenset({"det", "rec"})
"""What the main job runs: detection, then recognition."""
FIXED = {"det": (1, 3, 640, 640), "rec": (1, 3, 48, 320), "cls": (1, 3, 48, 192)}
"""Sizes at which each model is measured besides the job, with floats N(0, 1) x 0.5."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One feed of one model. `job`: a step of the main job, so that its time counts towards the job's sum."""

    model: str
    name: str
    job: bool
    feed: NDArray[np.float32]

    @property
    def title(self) -> str:
        return f"{self.name} {'x'.join(map(str, self.feed.shape))}"


@dataclass(slots=True)
class Recorder:
    """A model on native onnxruntime for intab's own pipeline, which notes what it is fed."""

    session: Any
    fed: list[NDArray[np.float32]] = field(default_factory=list)

    @property
    def inputs(self) -> Sequence[Any]:
        return tuple(self.session.get_inputs())

    @property
    def outputs(self) -> Sequence[Any]:
        return tuple(self.session.get_outputs())

    @property
    def metadata(self) -> Mapping[str, str]:
        return dict(self.session.get_modelmeta().custom_metadata_map)

    async def run(
        self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str] | None = None
    ) -> dict[str, NDArray[Any]]:
        self.fed.extend(feeds.values())
        names = list(fetches or (value.name for value in self.outputs))
        return dict(zip(names, self.session.run(names, dict(feeds)), strict=True))

    def dispose(self) -> None:
        pass


def job_cases(models: Mapping[str, Path], picture: Path) -> list[Case]:
    """What detector and recogniser are fed when the pipeline reads `picture`."""
    recorders = {
        name: Recorder(onnxruntime.InferenceSession(str(models[name]), providers=["CPUExecutionProvider"]))
        for name in sorted(JOB_MODELS)
    }
    asyncio.run(Reader(recorders["det"], recorders["rec"])(picture))
    names = {"det": "finds lines", "rec": "reads lines"}
    return [Case(model, names[model], True, feed) for model, one in recorders.items() for feed in one.fed]


def native_answer(path: Path, feed: NDArray[np.float32]) -> tuple[str, NDArray[np.float32]]:
    """The name of a model's one output, and what native onnxruntime makes of it."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (output,) = session.get_outputs()
    (found,) = session.run(None, {session.get_inputs()[0].name: feed})
    return output.name, np.asarray(found, np.float32)


def fixed_cases() -> list[Case]:
    """Each model at one well-known size."""
    random = np.random.default_rng(SEED)
    return [
        Case(model, "random", False, (0.5 * random.standard_normal(shape)).astype(np.float32))
        for model, shape in FIXED.items()
    ]
