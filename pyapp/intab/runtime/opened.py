"""A model whose bytes are open, and its graph, which is read once however often it is asked for."""

from collections.abc import Mapping

from intab.graph.ir import Graph
from intab.graph.storage import Storage
from intab.runtime.beside import read_with_files_beside
from intab.runtime.source import Progress, Source, close_source, no_progress


class OpenModel:
    """The bytes stay open for as long as somebody holds them; whoever makes this is the first, `with` it in use."""

    def __init__(self, storage: Storage, source: Source, sizes: Mapping[str, int] | None = None) -> None:
        """`sizes`: those of the model's sizes that are fixed, if any."""
        self.storage = storage
        self.sizes = sizes
        self._source = source
        self._beside: list[Storage] = []
        self._graph: Graph | None = None
        self._holders = 1

    @property
    def is_alone(self) -> bool:
        """Whether no file beside it was opened so far."""
        return not self._beside

    async def graph(self, progress: Progress = no_progress) -> Graph:
        """Raises what reading raises."""
        if self._graph is None:
            self._graph = await read_with_files_beside(self.storage, self._source, self._beside, self.sizes, progress)
        return self._graph

    def __enter__(self) -> "OpenModel":
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def hold(self) -> None:
        """One more needs the bytes, and closes this when it does not any more."""
        self._holders += 1

    def close(self) -> None:
        """The bytes are let go of with the last who holds them."""
        self._holders -= 1
        if self._holders == 0:
            self._graph = None
            for one in (self.storage, *self._beside):
                close_source(one, self._source)
