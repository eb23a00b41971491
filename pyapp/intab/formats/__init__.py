"""Bytes to graphs: one reader for each format, chosen by what the bytes say."""

from collections.abc import Mapping

from intab.errors import ModelFormatError
from intab.formats.onnx import read_onnx
from intab.formats.onnx.tensors import Resolve
from intab.formats.sniff import foreign_kind, is_onnx
from intab.graph.ir import Graph
from intab.graph.storage import Storage

__all__ = ["Resolve", "read"]


def read(storage: Storage, *, resolve: Resolve | None = None, dims: Mapping[str, int] | None = None) -> Graph:
    """The graph of a model file, whose weights stay where they are.

    `resolve(location)` opens the files that hold external weights; locations are relative paths inside the
    model's folder. `dims` gives inputs' symbols numbers from the start. Raises ModelFormatError when the bytes
    are no model that intab reads, UnsupportedOpError, ShapeError or DTypeError when they are one that it cannot run.
    """
    if is_onnx(storage):
        return read_onnx(storage, resolve, dims)
    kind = foreign_kind(storage)
    raise ModelFormatError(f"{storage.name}: this is {kind}, not a model that intab reads. Give it an ONNX file.")
