"""The three OCR models as graphs; what they compute is checked in tests/runtime/test_models.py."""

from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from intab.formats import read
from intab.graph.ir import Graph
from intab.graph.parse import parse_graph
from intab.graph.storage import MemoryStorage
from intab.graph.text import graph_text, storages_of
from intab.graph.verify import verify
from intab.ops.inference import infer

Models = MappingProxyType[str, Path]


def graph_of(path: Path) -> Graph:
    return read(MemoryStorage(path.name, path.read_bytes()))


@pytest.mark.parametrize("model", ["det", "rec", "cls"])
def test_graphs_are_well_formed_and_print(ocr_models: Models, model: str) -> None:
    graph = graph_of(ocr_models[model])
    verify(graph, infer)
    text = graph_text(graph)
    assert graph_text(parse_graph(text, storages_of(graph))) == text


def test_what_the_recogniser_carries(ocr_models: Models) -> None:
    graph = graph_of(ocr_models["rec"])
    characters = graph.metadata["character"].splitlines()
    # Blank and space are not in the list.
    assert graph.outputs[0].shape[2] == len(characters) + 2 == 18710
    assert len(set(characters)) == len(characters)
    assert not graph.equalities


def test_inputs_and_outputs(ocr_models: Models) -> None:
    graph = graph_of(ocr_models["cls"])
    assert [str(dim) for dim in graph.inputs[0].shape] == ["`x:0`", "3", "`x:2`", "`x:3`"]
    assert graph.output_names == ("save_infer_model/scale_0.tmp_1",)
    assert [str(dim) for dim in graph.outputs[0].shape] == ["`x:0`", "2"]


def test_weights_stay_in_the_file(ocr_models: Models) -> None:
    data = ocr_models["rec"].read_bytes()
    graph = read(MemoryStorage("rec.onnx", data))
    whole = np.frombuffer(data, np.uint8)
    large = [constant for constant in graph.constants.values() if constant.nbytes > 1 << 16]
    assert sum(constant.nbytes for constant in large) > 0.9 * len(data)
    assert all(np.shares_memory(constant.numpy(), whole) for constant in large)
