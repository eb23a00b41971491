"""What a pipeline needs of a model: the part of runtime's Session that tests can stand in for."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


class NamedValue(Protocol):
    """An input or output of a model."""

    @property
    def name(self) -> str: ...


class ModelSession(Protocol):
    """A loaded model."""

    @property
    def inputs(self) -> Sequence[NamedValue]: ...

    @property
    def outputs(self) -> Sequence[NamedValue]: ...

    @property
    def metadata(self) -> Mapping[str, str]: ...

    async def run(self, feeds: Mapping[str, Array], fetches: Sequence[str] | None = None) -> Mapping[str, Array]:
        """The outputs for `feeds`; names as in `inputs` and `outputs`."""

    def dispose(self) -> None: ...


async def run_single(session: ModelSession, feed: Array) -> Array:
    """Run a model of one input, and return its first output."""
    name = session.outputs[0].name
    return (await session.run({session.inputs[0].name: feed}, [name]))[name]
