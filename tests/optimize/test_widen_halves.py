"""Graphs in 16-bit floats become graphs in 32-bit ones with the same inputs and outputs."""

from intab.dtypes import float16, float32
from intab.optimize.widen_halves import WIDEN_HALVES
from intab.target import WASM_SIMD, Target
from tests.optimize.check import apply, graph_of, operators

CHAIN = """graph g(%x: f16[2, N]) -> (y = %b, same = %x, w = %w, unused = %big) {
  %w = const f16[3] {0.5, -2.0, 1e-05}
  %big = const f16[] {inf}
  %a = Mul(%x, %w)
  %n = Cast(%a) {to=f32}
  %e = Exp(%n)
  %h = Cast(%e) {to=f16}
  %b = Add(%h, %x)
}"""


def test_inputs_and_outputs_keep_their_type() -> None:
    changed = apply(CHAIN, WIDEN_HALVES, sizes={"N": 3}, tolerance=2e-3)
    assert operators(changed) == ["Cast", "Mul", "Cast", "Exp", "Cast", "Add", "Cast"]
    assert [node.output.dtype for node in changed.nodes] == [*(float32,) * 6, float16]
    assert [value.dtype for value in changed.outputs] == [float16] * 4
    assert changed.outputs[1] is changed.inputs[0]
    assert {value.dtype for value in changed.constant_values} == {float16, float32}


def test_what_is_wide_or_can_be_narrow_is_left_alone() -> None:
    graph = graph_of(CHAIN)
    assert WIDEN_HALVES.run(graph, Target("wgsl", 1, 16, frozenset({"shader-f16"}))) is graph
    plain = graph_of(CHAIN.replace("f16", "f32"))
    assert WIDEN_HALVES.run(plain, WASM_SIMD) is plain
