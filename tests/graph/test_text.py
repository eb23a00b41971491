"""Graphs as text and back."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intab.dtypes import float32, int64
from intab.errors import ModelFormatError
from intab.graph.dims import symbol
from intab.graph.ir import Constant, Graph, Node, Value
from intab.graph.parse import parse_graph
from intab.graph.storage import MemoryStorage
from intab.graph.text import graph_text, storages_of
from intab.ops.inference import infer

EVERYTHING = """\
graph "ocr det"(%x: f32[N, 3, H, `W:0`], %"odd \\"n": i64[N//2 + 3*(N//4), (H + 1) % 2]) -> (first = %y, "a b" = %z) {
  metadata "key" = "two\\nlines"
  assume N == 2*max(3, H) "node"
  %c = const f32[2, 2] {1.4142135, -inf, nan, 1e-05}
  %i = const i64[3] {1, -2, 3}
  %b = const bool[] {true}
  %u = const u8[0] {}
  %big = const f32[17] @"weights.bin":4+68
  %y: f32[N, 24, (H + 1)//2, W] = Conv(%x, %c, _) {pads=[1, 1, N//2, 1], epilogue=graph b(%a: f32[]) -> (o = %q) {
    %h = const f32[] {0.5}
    %q: f32[] = Mul(%a, %h)
  }, a=1.0, b=-inf, to=f32, s="NCHW", n=none, t=true, f=false, l=[1.5, -2.0], e=[], d=`f32`} "node name"
  %s/1:0: i64[2] <N, 3*H*N - 1>, %t: f32[] = Split(%"odd \\"n")
  %z: i64[2] <N, 3*H*N - 1> = Shape(%t)
}"""


def test_a_graph_prints_as_it_was_read() -> None:
    graph = parse_graph(EVERYTHING, {"weights.bin": MemoryStorage("weights.bin", bytes(range(1, 101)))})
    assert graph_text(graph) == EVERYTHING


def test_what_was_read_is_what_the_text_says() -> None:
    storage = MemoryStorage("weights.bin", bytes(100))
    graph = parse_graph(EVERYTHING, {"weights.bin": storage})
    conv, split, shape = graph.nodes
    assert graph.name == "ocr det" and graph.metadata == {"key": "two\nlines"}
    assert graph.inputs[0].shape == (symbol("N"), 3, symbol("H"), symbol("W:0"))
    assert conv.inputs == (graph.inputs[0], graph.constant_values[0], None) and conv.name == "node name"
    assert conv.attributes["to"] is float32 and conv.attributes["d"] == symbol("f32")
    assert conv.attributes["b"] == float("-inf") and conv.attributes["n"] is None
    assert isinstance(conv.attributes["epilogue"], Graph)
    assert [v.name for v in split.outputs] == ["s/1:0", "t"] and split.inputs[0] is graph.inputs[1]
    assert shape.output.elements == (symbol("N"), 3 * symbol("N") * symbol("H") - 1)
    assert graph.constants["big"] == graph.constants["big"] and graph.constants["big"].storage is storage
    assert graph.constant_values[1].elements == (1, -2, 3)
    assert graph.output_names == ("first", "a b") and graph.outputs == (conv.output, shape.output)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_small_float_constants_keep_their_bits(dtype: type[np.floating]) -> None:
    rng = np.random.default_rng(0)
    bits = np.dtype(f"u{np.dtype(dtype).itemsize}")
    for _ in range(200):
        numbers = rng.integers(0, np.iinfo(bits).max, 8, dtype=bits, endpoint=True).view(dtype)
        graph = _constant_graph(numbers)
        read = parse_graph(graph_text(graph), storages_of(graph))
        assert read.constants["c"].numpy().tobytes() == numbers.tobytes()


def test_storages_of_one_name_are_told_apart() -> None:
    first, second = np.arange(20, dtype=np.float32), np.arange(20, 40, dtype=np.float32)
    values = tuple(Value(n, float32, (20,)) for n in "ab")
    constants = {"a": Constant.of(first), "b": Constant.of(second)}
    graph = Graph("g", (), values, (), constants, values, ("a", "b"))
    assert set(storages_of(graph)) == {"constant", "constant~1"}
    read = parse_graph(graph_text(graph), storages_of(graph))
    assert np.array_equal(read.constants["b"].numpy(), second)


def test_types_may_be_left_to_inference() -> None:
    graph = parse_graph("graph g(%x: f32[N, 3]) -> (y = %y) { %y = Add(%x, %x) }", infer=infer)
    assert graph.outputs[0].shape == (symbol("N"), 3)
    assert graph_text(graph).splitlines()[1] == "  %y: f32[N, 3] = Add(%x, %x)"


def test_a_constant_that_is_too_short_prints_as_a_byte_range() -> None:
    value = Value("c", int64, (2, 2))
    constant = Constant(int64, (2, 2), MemoryStorage("f", bytes(8)), 0, 8)
    graph = Graph("g", (), (value,), (), {"c": constant}, (value,), ("c",))
    assert '@"f":0+8' in graph_text(graph)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected 'graph', found 'the end of the text'"),
        ("graph g(%x: f32[N]) -> (y = %y) {\n}", "line 1: %y is not defined"),
        ("graph g() -> () {\n  %x = const f32[2] {1.0}\n}", "line 2: 1 numbers are given for a shape of 2"),
        ("graph g() -> () {\n  %x = const i8[1] {300}\n}", "line 2: these are not i8 numbers"),
        ("graph g() -> () {\n  %x = const f32[N] {1.0}\n}", "line 2: a constant's size must be a number, not N"),
        ('graph g() -> () {\n  %x = const f32[9] @"f":0+36\n}', "line 2: the storage 'f' was not given"),
        ("graph g(%x: f33[N]) -> () {\n}", "line 1: 'f33' is not a dtype"),
        ("graph g(%x: f32[N], %x: f32[N]) -> () {\n}", "line 1: %x is defined twice"),
        ("graph g(%x: f32[]) -> () {\n\n  %y = Relu(%x)\n}", "line 3: a value without a type needs inference"),
        (
            "graph g(%x: f32[]) -> () {\n  %y: f32[] = Relu(%x) {a=1, a=2}\n}",
            "line 2: the attribute 'a' is given twice",
        ),
        ("graph g(%x: f32[]) -> () {\n  %y: f32[] = Relu(%x\n}", "line 3: expected ',', found '}'"),
        ("graph g() -> () {\n  ?\n}", "line 2: '.*' cannot be read"),
        ("graph g(%x: f32[" + "9" * 5000 + "]) -> () {}", "line 1: expected ','"),
        ("graph g() -> () {\n}\nmore", "line 3: expected the end"),
        ('graph g() -> () {\n  metadata "a\\x" = "b"\n}', "line 2: .* is not a well-formed string"),
        (f"graph g(%x: f32[]) -> () {{\n%y: f32[] = Relu(%x) {{a={'[' * 60}}}\n}}", "line 2: nested too deeply"),
    ],
)
def test_malformed_text_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ModelFormatError, match=message):
        parse_graph(text)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, len(EVERYTHING) - 1),
    st.integers(0, 20),
    st.text(st.sampled_from(sorted(set(EVERYTHING))), max_size=5),
)
def test_damaged_text_is_read_or_refused(at: int, cut: int, put: str) -> None:
    damaged = EVERYTHING[:at] + put + EVERYTHING[at + cut :]
    storage = MemoryStorage("weights.bin", bytes(100))
    try:
        graph = parse_graph(damaged, {"weights.bin": storage})
        graph_text(graph)
    except ModelFormatError as error:
        assert re.search(r"line \d+|weights.bin", str(error))


def test_inference_errors_name_the_line() -> None:
    text = "graph g(%x: f32[2], %z: f32[3]) -> (y = %y) {\n  %y = Add(%x, %z)\n}"
    with pytest.raises(ModelFormatError, match="line 2: Add: "):
        parse_graph(text, infer=infer)


def _constant_graph(numbers: np.ndarray) -> Graph:
    constant = Constant.of(numbers)
    value = Value("c", constant.dtype, constant.shape)
    return Graph(
        "g",
        (),
        (value,),
        (Node("Relu", (value,), (Value("y", value.dtype, value.shape),)),),
        {"c": constant},
        (value,),
        ("c",),
    )
