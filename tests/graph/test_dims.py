"""Sizes against plain integer arithmetic."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intab.errors import ModelFormatError, ShapeError
from intab.graph.dims import (
    Dim,
    ceil_div,
    dim_text,
    evaluate,
    floor_div,
    maximum,
    minimum,
    product,
    remainder,
    substitute,
    symbol,
    symbols_of,
    total,
)
from intab.graph.tokens import Cursor

H, W, N = symbol("H"), symbol("W"), symbol("N")

Recipe = tuple  # ("symbol", name) | ("int", n) | (operation, left, right)

OPERATIONS: dict[str, tuple[Callable[[Dim, Dim], Dim], Callable[[int, int], int]]] = {
    "+": (lambda a, b: a + b, lambda a, b: a + b),
    "-": (lambda a, b: a - b, lambda a, b: a - b),
    "*": (lambda a, b: a * b, lambda a, b: a * b),
    "//": (floor_div, lambda a, b: a // b),
    "%": (remainder, lambda a, b: a % b),
    "max": (maximum, max),
    "min": (minimum, min),
}


def recipes(divided: bool = True) -> st.SearchStrategy[Recipe]:
    symbols = st.sampled_from(["H", "W", "N"]).map(lambda n: ("symbol", n))
    leaves = st.one_of(symbols, st.integers(-6, 12).map(lambda n: ("int", n)))
    divisors = st.one_of(symbols, st.sampled_from([-3, -2, -1, 1, 2, 3, 4, 6]).map(lambda n: ("int", n)))

    def deeper(inner: st.SearchStrategy[Recipe]) -> st.SearchStrategy[Recipe]:
        free = st.tuples(st.sampled_from(["+", "-", "*", "max", "min"] if divided else ["+", "-", "*"]), inner, inner)
        quotients = st.tuples(st.sampled_from(["//", "%"]), inner, divisors)
        return st.one_of(free, quotients) if divided else free

    return st.recursive(leaves, deeper, max_leaves=10)


def as_dim(recipe: Recipe) -> Dim:
    if recipe[0] == "symbol":
        return symbol(recipe[1])
    if recipe[0] == "int":
        return int(recipe[1])
    return OPERATIONS[recipe[0]][0](as_dim(recipe[1]), as_dim(recipe[2]))


def as_int(recipe: Recipe, bindings: dict[str, int]) -> int:
    if recipe[0] == "symbol":
        return bindings[recipe[1]]
    if recipe[0] == "int":
        return int(recipe[1])
    return OPERATIONS[recipe[0]][1](as_int(recipe[1], bindings), as_int(recipe[2], bindings))


bindings_of_symbols = st.fixed_dictionaries({name: st.integers(1, 40) for name in ("H", "W", "N")})


@settings(max_examples=400, deadline=None)
@given(recipes(), bindings_of_symbols)
def test_a_dim_is_the_number_that_plain_arithmetic_gives(recipe: Recipe, bindings: dict[str, int]) -> None:
    assert evaluate(as_dim(recipe), bindings) == as_int(recipe, bindings)


@settings(max_examples=300, deadline=None)
@given(recipes())
def test_the_text_of_a_dim_reads_back_to_the_same_dim(recipe: Recipe) -> None:
    dim = as_dim(recipe)
    assert Cursor(dim_text(dim)).dim() == dim


@settings(max_examples=300, deadline=None)
@given(recipes(), recipes(), recipes())
def test_sums_and_products_have_one_normal_form(first: Recipe, second: Recipe, third: Recipe) -> None:
    a, b, c = as_dim(first), as_dim(second), as_dim(third)
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a * (b + c) == a * b + a * c
    assert a - a == 0
    assert (a + b) - b == a


@settings(max_examples=200, deadline=None)
@given(recipes(), st.integers(-20, 20), st.integers(1, 9))
def test_whole_parts_leave_a_division(recipe: Recipe, added: int, divisor: int) -> None:
    dim = as_dim(recipe)
    assert floor_div(dim + added * divisor, divisor) == floor_div(dim, divisor) + added
    assert remainder(dim + added * divisor, divisor) == remainder(dim, divisor)


@settings(max_examples=200, deadline=None)
@given(recipes(divided=False), st.integers(1, 9), st.integers(1, 9))
def test_divisions_of_polynomials_nest(recipe: Recipe, first: int, second: int) -> None:
    dim = as_dim(recipe)
    assert floor_div(floor_div(dim, first), second) == floor_div(dim, first * second)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (floor_div(H - 1, 2) + 1, floor_div(H + 1, 2)),
        (ceil_div(H, 4), floor_div(H + 3, 4)),
        (floor_div(6 * H * W, 3 * H), 2 * W),
        (floor_div(floor_div(H + 1, 2) + 1, 2), floor_div(H + 3, 4)),
        (maximum(H + 1, H), H + 1),
        (minimum(H, W), minimum(W, H)),
        (remainder(2 * H + 1, 2), 1),
        (remainder(5 * H + W + 7, 4), remainder(H + W + 3, 4)),
        (product([N, 3, H]), 3 * H * N),
        (total([N, 3, H]), H + N + 3),
    ],
)
def test_equal_sizes_compare_equal(left: Dim, right: Dim) -> None:
    assert left == right


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (floor_div(H + 1, 2), "(H + 1)//2"),
        (3 * floor_div(H, 2) - 1, "3*(H//2) - 1"),
        (-floor_div(H, 2), "-(H//2)"),
        (remainder(H + W, 4), "(H + W) % 4"),
        (maximum(H, 3) * W, "W*max(3, H)"),
        (symbol("x:0"), "`x:0`"),
        (symbol("a`b") + symbol("max"), "`a\\u0060b` + `max`"),
    ],
)
def test_dims_print_as_one_would_write_them(dim: Dim, text: str) -> None:
    assert dim_text(dim) == text
    assert Cursor(text).dim() == dim


def test_nested_divisions_by_negative_numbers_are_not_merged() -> None:
    assert evaluate(floor_div(floor_div(H, 2), -2), {"H": 1}) == 0


def test_symbols_are_found_and_replaced() -> None:
    dim = maximum(H, floor_div(W, 2)) + N
    assert symbols_of(dim) == {"H", "W", "N"}
    assert substitute(dim, {"W": 2 * H}) == N + H
    with pytest.raises(ShapeError, match="needs a value for N"):
        evaluate(dim, {"H": 1, "W": 2})


def test_division_by_zero_is_refused() -> None:
    with pytest.raises(ShapeError, match="zero"):
        floor_div(H, 0)
    with pytest.raises(ShapeError, match="zero"):
        remainder(H, 0)
    with pytest.raises(ShapeError, match="zero"):
        remainder(4, 0)


@pytest.mark.parametrize("text", ["H +", "(H", "max(H)", "H//0", "1.5", "H ^ 2", "(" * 60 + "H" + ")" * 60])
def test_malformed_sizes_are_refused(text: str) -> None:
    with pytest.raises(ModelFormatError, match="line 1"):
        cursor = Cursor(text)
        cursor.dim()
        cursor.expect_end()
