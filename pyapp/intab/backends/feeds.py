"""What a caller feeds and fetches, checked against what the model takes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from intab.backends.device_tensor import DeviceTensor, Fed
from intab.dtypes import DType, dtype_of
from intab.errors import DTypeError, FeedError, ShapeError
from intab.graph.ir import Array, Graph, Value

Feeds = Mapping[str, Any]


def fetch_names(graph: Graph, fetches: Sequence[str] | None) -> tuple[str, ...]:
    """The outputs asked for; all when None. Raises FeedError for one that the model does not have."""
    known = graph.output_names
    names = known if fetches is None else tuple(fetches)
    for name in names:
        if name not in known:
            raise FeedError(f"{graph.name} has no output {name!r}; it has {', '.join(known)}.")
    return names


def checked_feeds(graph: Graph, feeds: Feeds) -> dict[str, Array]:
    """The feeds as contiguous arrays, one for each input.

    Raises FeedError for names, DTypeError for element types and ShapeError for ranks that the model does not take.
    """
    _check_names(graph, feeds)
    return {value.name: _checked(graph.name, value, feeds[value.name]) for value in graph.inputs}


def checked_values(graph: Graph, feeds: Feeds) -> dict[str, Fed]:
    """As `checked_feeds`, with tensors that stay on their devices left there."""
    _check_names(graph, feeds)
    return {value.name: _checked_value(graph.name, value, feeds[value.name]) for value in graph.inputs}


def _check_names(graph: Graph, feeds: Feeds) -> None:
    if not isinstance(feeds, Mapping):
        raise FeedError(
            f"{graph.name}: feeds are a dict of arrays by input name, not {type(feeds).__name__}. "
            "intab's order is run(feeds, fetches): session.run({...}), where onnxruntime has run(None, {...})."
        )
    wanted = {value.name for value in graph.inputs}
    if set(feeds) != wanted:
        missing, extra = sorted(wanted - set(feeds)), sorted(map(str, set(feeds) - wanted))
        said = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"unknown: {', '.join(extra)}"] * bool(extra)
        raise FeedError(
            f"{graph.name} takes the inputs {', '.join(sorted(wanted))}; {'; '.join(said)}. See session.inputs."
        )


def _checked_value(model: str, value: Value, feed: object) -> Fed:
    if not isinstance(feed, DeviceTensor):
        return _checked(model, value, feed)
    _check_kind(model, value, feed.dtype, feed.shape)
    return feed


def _checked(model: str, value: Value, feed: object) -> Array:
    array = np.asarray(feed)
    _check_kind(model, value, dtype_of(array), array.shape)
    return np.ascontiguousarray(array).reshape(array.shape)


def _check_kind(model: str, value: Value, dtype: DType, shape: tuple[int, ...]) -> None:
    if dtype != value.dtype:
        raise DTypeError(
            f"{model}: input {value.name!r} is {value.dtype.numpy_name}, the feed is {dtype.numpy_name}. "
            f"Convert it: array.astype({value.dtype.numpy_name!r})."
        )
    if len(shape) != value.rank:
        raise ShapeError(
            f"{model}: input {value.name!r} has {value.rank} axes {list(value.shape)}, the feed has shape "
            f"{list(shape)}."
        )
