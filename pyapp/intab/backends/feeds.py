"""What a caller feeds and fetches, checked against what the model takes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from intab.dtypes import dtype_of
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
    return {value.name: _checked(graph.name, value, feeds[value.name]) for value in graph.inputs}


def _checked(model: str, value: Value, feed: object) -> Array:
    array = np.asarray(feed)
    dtype = dtype_of(array)
    if dtype != value.dtype:
        raise DTypeError(
            f"{model}: input {value.name!r} is {value.dtype.numpy_name}, the feed is {array.dtype}. "
            f"Convert it: array.astype({value.dtype.numpy_name!r})."
        )
    if array.ndim != value.rank:
        raise ShapeError(
            f"{model}: input {value.name!r} has {value.rank} axes {list(value.shape)}, the feed has shape "
            f"{list(array.shape)}."
        )
    return np.ascontiguousarray(array).reshape(array.shape)
