"""onnxruntime behind the Protocol that pipelines ask for: tests of them need no engine of ours."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import onnxruntime

from intab.pipelines._session import Array, NamedValue


class OnnxSession:
    """A ModelSession on native onnxruntime; `shapes` records what it was fed, `disposals` how often it was let go."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1  # more would wait for each other, spinning, where tests share two cores
        self._session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs: Sequence[NamedValue] = tuple(self._session.get_inputs())
        self.outputs: Sequence[NamedValue] = tuple(self._session.get_outputs())
        self.metadata: Mapping[str, str] = MappingProxyType(self._session.get_modelmeta().custom_metadata_map)
        self.shapes: list[tuple[int, ...]] = []
        self.disposals = 0

    async def run(self, feeds: Mapping[str, Array], fetches: Sequence[str] | None = None) -> dict[str, Array]:
        assert self.disposals == 0, "a session was used after it was let go"
        await asyncio.sleep(0)
        names = list(fetches) if fetches is not None else [value.name for value in self.outputs]
        self.shapes.extend(feed.shape for feed in feeds.values())
        return dict(zip(names, self._session.run(names, dict(feeds)), strict=True))

    def dispose(self) -> None:
        self.disposals += 1
