"""What exporters spell out is recognised, and what only looks like it is not."""

import pytest

from intab.optimize.recognise_activations import RECOGNISE_ACTIVATIONS
from intab.optimize.recognise_gelu import RECOGNISE_GELU
from intab.optimize.recognise_layer_norm import RECOGNISE_LAYER_NORM
from intab.optimize.recognise_shuffle import RECOGNISE_SHUFFLE
from intab.optimize.simplify_arithmetic import SIMPLIFY_ARITHMETIC
from tests.optimize.check import apply, operators

NUMBERS = """
  %half = const f32[] {0.5}
  %one = const f32[1] {1.0}
  %two = const f32[] {2.0}
  %three = const f32[] {3.0}
  %six = const f32[] {6.0}
  %sixth = const f32[] {0.16666667}
  %root = const f32[] {1.4142135}
  %unroot = const f32[] {0.70710677}
  %cubic = const f32[] {0.044715}
  %pi = const f32[] {0.7978846}
  %eps = const f32[] {1e-05}
  %scale = const f32[4] {0.5, 1.5, -2.0, 3.0}
  %bias = const f32[4] {1.5, 2.5, -1.0, 2.0}
"""


def text_of(statements: str, outputs: str = "y = %y") -> str:
    return f"graph g(%x: f32[N, 4], %z: f32[N, 4]) -> ({outputs}) {{ {NUMBERS} {statements} }}"


ERF = "%d = Div(%x, %root) %e = Erf(%d) %a = Add(%e, %one)"


@pytest.mark.parametrize(
    "statements",
    [
        f"{ERF} %m = Mul(%x, %a) %y = Mul(%m, %half)",
        f"{ERF} %m = Mul(%a, %x) %y = Div(%m, %two)",
        f"{ERF} %m = Mul(%x, %half) %y = Mul(%m, %a)",
        f"{ERF} %m = Mul(%a, %half) %y = Mul(%x, %m)",
        "%d = Mul(%x, %unroot) %e = Erf(%d) %a = Add(%one, %e) %m = Mul(%half, %a) %y = Mul(%m, %x)",
    ],
)
def test_gelu_by_erf(statements: str) -> None:
    graph = apply(text_of(statements), RECOGNISE_GELU, sizes={"N": 50})
    assert operators(graph) == ["Gelu"]
    assert graph.nodes[0].attributes["approximate"] == "none"


@pytest.mark.parametrize("cube", ["%k = Pow(%x, %three)", "%s = Mul(%x, %x) %k = Mul(%s, %x)"])
def test_gelu_by_tanh(cube: str) -> None:
    statements = f"""{cube} %c = Mul(%k, %cubic) %p = Add(%x, %c) %q = Mul(%p, %pi) %t = Tanh(%q)
        %a = Add(%t, %one) %h = Mul(%x, %half) %y = Mul(%h, %a)"""
    graph = apply(text_of(statements), RECOGNISE_GELU, sizes={"N": 50})
    assert operators(graph) == ["Gelu"]
    assert graph.nodes[0].attributes["approximate"] == "tanh"


@pytest.mark.parametrize(
    "statements",
    [
        f"{ERF} %m = Mul(%z, %a) %y = Mul(%m, %half)",
        f"{ERF} %m = Mul(%x, %a) %y = Mul(%m, %two)",
        f"{ERF} %m = Mul(%x, %a) %n = Mul(%m, %half) %y = Add(%n, %e)",
        "%d = Div(%x, %two) %e = Erf(%d) %a = Add(%e, %one) %m = Mul(%x, %a) %y = Mul(%m, %half)",
        "%d = Div(%x, %root) %e = Erf(%d) %a = Add(%e, %two) %m = Mul(%x, %a) %y = Mul(%m, %half)",
    ],
)
def test_what_is_no_gelu_stays(statements: str) -> None:
    assert "Gelu" not in operators(apply(text_of(statements), RECOGNISE_GELU, sizes={"N": 5}))


CLIP = "Clip(%a) {minimum=0.0, maximum=6.0}"


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ("%s = Sigmoid(%x) %y = Mul(%x, %s)", "Silu"),
        ("%s = Sigmoid(%x) %y = Mul(%s, %x)", "Silu"),
        ("%s = HardSigmoid(%x) {alpha=0.16666670143604279, beta=0.5} %y = Mul(%x, %s)", "HardSwish"),
        (f"%a = Add(%x, %three) %c = {CLIP} %m = Mul(%x, %c) %y = Div(%m, %six)", "HardSwish"),
        (f"%a = Add(%three, %x) %c = {CLIP} %m = Mul(%c, %sixth) %y = Mul(%m, %x)", "HardSwish"),
        (f"%a = Add(%x, %three) %c = {CLIP} %y = Div(%c, %six)", "HardSigmoid"),
    ],
)
def test_activations(statements: str, expected: str) -> None:
    assert operators(apply(text_of(statements), RECOGNISE_ACTIVATIONS, sizes={"N": 50})) == [expected]


@pytest.mark.parametrize(
    "statements",
    [
        "%s = Sigmoid(%z) %y = Mul(%x, %s)",
        "%s = Sigmoid(%x) %m = Mul(%x, %s) %y = Add(%m, %s)",
        "%s = HardSigmoid(%x) {alpha=0.2, beta=0.5} %y = Mul(%x, %s)",
        "%a = Add(%x, %three) %c = Clip(%a) {minimum=0.0, maximum=3.0} %m = Mul(%x, %c) %y = Div(%m, %six)",
        "%a = Add(%x, %two) %c = Clip(%a) {minimum=0.0, maximum=6.0} %m = Mul(%x, %c) %y = Div(%m, %six)",
    ],
)
def test_what_is_no_activation_stays(statements: str) -> None:
    graph = apply(text_of(statements), RECOGNISE_ACTIVATIONS, sizes={"N": 5})
    assert not {"Silu", "HardSwish"} & set(operators(graph))


MEAN = "ReduceMean({}) {{axes=[1], keepdims=true}}"
NORM = f"""%m = {MEAN.format("%x")} %c = Sub(%x, %m) %q = SQUARE %v = {MEAN.format("%q")}
  %e = Add(%v, %eps) %r = Sqrt(%e) %n = Div(%c, %r)"""


@pytest.mark.parametrize("square", ["Pow(%c, %two)", "Mul(%c, %c)"])
@pytest.mark.parametrize(
    ("rest", "inputs"),
    [
        ("%s = Mul(%n, %scale) %y = Add(%s, %bias)", 3),
        ("%s = Mul(%scale, %n) %y = Add(%bias, %s)", 3),
        ("%y = Mul(%n, %scale)", 2),
        ("%y = Add(%n, %bias)", 3),
        ("", 1),
    ],
)
def test_layer_norm(square: str, rest: str, inputs: int) -> None:
    outputs = "y = %y" if rest else "y = %n"
    text = text_of(NORM.replace("SQUARE", square) + rest, outputs)
    graph = apply(text, RECOGNISE_LAYER_NORM, sizes={"N": 20})
    assert operators(graph) == ["LayerNorm"]
    assert len(graph.nodes[0].inputs) == inputs


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("%q = SQUARE", "%q = Pow(%c, %three)"),
        ("%q = SQUARE", "%q = Pow(%x, %two)"),
        ("%n = Div(%c, %r)", "%n = Div(%x, %r)"),
        ("%n = Div(%c, %r)", "%d = Div(%c, %r) %n = Add(%d, %c)"),
        ("%m = ReduceMean(%x) {axes=[1], keepdims=true}", "%m = ReduceMean(%z) {axes=[1], keepdims=true}"),
        ("%m = ReduceMean(%x) {axes=[1], keepdims=true}", "%m = ReduceMean(%x) {axes=[0], keepdims=true}"),
    ],
)
def test_what_is_no_layer_norm_stays(old: str, new: str) -> None:
    text = text_of(NORM.replace(old, new).replace("SQUARE", "Mul(%c, %c)"), "y = %n")
    assert "LayerNorm" not in operators(apply(text, RECOGNISE_LAYER_NORM, sizes={"N": 5}))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("%y = Pow(%x, %two)", ["Mul"]),
        ("%y = Pow(%x, %three)", ["Mul", "Mul"]),
        ("%y = Pow(%x, %one)", []),
        ("%y = Pow(%x, %half)", ["Pow"]),
        ("%y = Div(%x, %six)", ["Mul"]),
        ("%y = Div(%x, %z)", ["Div"]),
        ("%c = const f32[] {0.0} %y = Div(%x, %c)", ["Div"]),
        ("%c = const f32[] {1e-40} %y = Div(%x, %c)", ["Div"]),
        ("%c = const f32[] {3e38} %y = Div(%x, %c)", ["Div"]),
        ("%c = const f32[] {-inf} %y = Div(%x, %c)", ["Div"]),
    ],
)
def test_arithmetic(statement: str, expected: list[str]) -> None:
    graph = apply(text_of(statement), SIMPLIFY_ARITHMETIC, sizes={"N": 5})
    assert operators(graph) == expected


SHUFFLE = [
    ("[N, 2, 3, 4]", "[0, 2, 1, 3]", "[N, 6, 4]", True),
    ("[N, 6, 2, 2]", "[0, 1, 3, 2]", "[N, 6, 4]", True),
    ("[N, 2, 3, 4]", "[0, 2, 1, 3]", "[N, 4, 6]", False),  # other axes than those that were split
    ("[N, 2, 3, 4]", "[0, 1, 3, 2]", "[N, 6, 4]", False),  # two axes change places
    ("[N, 2, 2, 6]", "[0, 2, 1, 3]", "[N, 6, 4]", False),  # what is split is no axis of x
]


@pytest.mark.parametrize("split, perm, joined, recognised", SHUFFLE)
def test_shuffle(split: str, perm: str, joined: str, recognised: bool) -> None:
    statements = (
        f"%a = Reshape(%x) {{shape={split}}} %t = Transpose(%a) {{perm={perm}}} %y = Reshape(%t) {{shape={joined}}}"
    )
    graph = apply(f"graph g(%x: f32[N, 6, 4]) -> (y = %y) {{ {statements} }}", RECOGNISE_SHUFFLE, sizes={"N": 3})
    assert operators(graph) == (["Shuffle"] if recognised else ["Reshape", "Transpose", "Reshape"])
