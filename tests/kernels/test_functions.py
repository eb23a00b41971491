"""Error bounds of the elementary functions, over every exponent and with Fma rounding once or twice."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

from intab.kernels import functions, interpret
from intab.kernels.block import Block
from intab.kernels.ir import F32, Expr, Fma, Var
from intab.kernels.machine import Machine
from intab.kernels.scalar import inline

Floats = NDArray[np.float32]
Exact = NDArray[np.float64]

# Below this the functions may flush to zero; the bound there is absolute.
LEAST = 2.0**-125


@pytest.fixture(params=["fma rounds twice", "fma rounds once"])
def rounding(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "fma rounds once":
        plain = Machine.value

        def value(machine: Any, expr: Expr, known: Any) -> Any:
            if not isinstance(expr, Fma):
                return plain(machine, expr, known)
            a, b, c = (machine.value(e, known) for e in (expr.factor, expr.other, expr.addend))
            # The product of two f32 is exact in f64, so that this rounds to f32 once (but for rare double roundings).
            return (np.multiply(a, b, dtype=np.float64) + c).astype(np.float32)

        monkeypatch.setattr(Machine, "value", value)
    yield request.param


def points() -> Floats:
    """All exponents and signs at random mantissas, the range where most functions live, and the special values."""
    random = np.random.default_rng(7)
    bits = random.integers(0, 2**32, 1_000_000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    near = random.normal(0, 3, 500_000).astype(np.float32)
    wide = random.uniform(-110, 110, 500_000).astype(np.float32)
    edges = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e-45, -1e-45, 88.72284, 88.73, -87.33, 0.55, 0.93, 9.01]
    return np.concatenate([bits, near, wide, np.array(edges, np.float32)])


def errors_in_ulp(found: Floats, exact: Exact) -> Exact:
    """|found - exact| over the spacing of f32 at exact; infinite where NaN or infinity do not match."""
    with np.errstate(all="ignore"):
        rounded = exact.astype(np.float32)
        error = np.abs(found.astype(np.float64) - exact) / np.spacing(np.abs(rounded)).astype(np.float64)
    finite = np.isfinite(rounded) & np.isfinite(found)
    same = (np.isnan(rounded) & np.isnan(found)) | (rounded == found)
    result: Exact = np.where(finite, error, np.where(same, 0.0, np.inf))
    return result


CASES: list[tuple[str, Callable[[Exact], Exact], float, float]] = [
    # name, exact, ulp where |result| >= LEAST, bound below that in units of LEAST
    ("exp", np.exp, 1.2, 1.0),
    ("log", np.log, 0.9, 0.0),
    ("sigmoid", special.expit, 2.5, 1.0),
    ("tanh", np.tanh, 1.7, 0.0),
    ("erf", special.erf, 1.5, 2.0**-23),
    ("softplus", lambda x: np.logaddexp(0, x), 3.0, 1.0),
    ("reciprocal_square_root", lambda x: 1 / np.sqrt(x), 1.5, 0.0),
]


@pytest.mark.parametrize(("name", "exact", "ulp", "tiny"), CASES, ids=[c[0] for c in CASES])
def test_error_bound(name: str, exact: Callable[[Exact], Exact], ulp: float, tiny: float, rounding: str) -> None:
    x = points()
    found = interpret.apply(functions.scalar_function(getattr(functions, name), F32), x)
    with np.errstate(all="ignore"):
        wanted = exact(x.astype(np.float64))
    large = ~(np.abs(wanted) < LEAST)
    error = errors_in_ulp(found, wanted)
    worst = int(np.argmax(np.where(large, error, 0)))
    assert error[worst] <= ulp, f"{name}({x[worst]}) = {found[worst]}, exactly {wanted[worst]}"
    assert np.max(np.abs(found[~large] - wanted[~large]), initial=0) <= max(tiny * LEAST, 2.0**-149)


@pytest.mark.parametrize("name", ["tanh", "erf"])
def test_odd_functions_keep_the_sign_of_zero_and_stay_within_one(name: str, rounding: str) -> None:
    x = points()
    found = interpret.apply(functions.scalar_function(getattr(functions, name), F32), x)
    assert np.array_equal(np.isnan(found), np.isnan(x))
    assert np.array_equal(np.signbit(found)[~np.isnan(x)], np.signbit(x)[~np.isnan(x)])
    assert np.nanmax(np.abs(found)) == 1.0


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("gelu", lambda x: 0.5 * x * special.erfc(-x / np.sqrt(2))),
        ("gelu_tanh", lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))),
    ],
)
def test_gelu_error_bound(name: str, exact: Callable[[Exact], Exact], rounding: str) -> None:
    x = points()
    x = x[np.isfinite(x) & (np.abs(x) > 1e-30)]
    found = interpret.apply(functions.scalar_function(getattr(functions, name), F32), x)
    wanted = exact(x.astype(np.float64))
    assert np.max(np.abs(found - wanted) / np.abs(x.astype(np.float64))) <= 2.0**-23


def test_silu_error_bound(rounding: str) -> None:
    x = points()
    found = interpret.apply(functions.scalar_function(functions.silu, F32), x)
    with np.errstate(all="ignore"):
        wanted = x.astype(np.float64) * special.expit(x.astype(np.float64))
    large = ~(np.abs(wanted) < 2.0**-118) & ~np.isneginf(x)
    assert np.max(errors_in_ulp(found[large], wanted[large])) <= 2.5
    assert np.max(np.abs(found[~large & np.isfinite(x)] - wanted[~large & np.isfinite(x)])) <= 2.0**-118


def test_gelu_ends_exactly(rounding: str) -> None:
    x = np.exp(np.linspace(np.log(5.5), 88, 100_001)).astype(np.float32)
    gelu = functions.scalar_function(functions.gelu, F32)
    assert np.array_equal(interpret.apply(gelu, x), x)
    assert not interpret.apply(gelu, -x).any()


@pytest.mark.parametrize(("name", "exact"), [("sin", np.sin), ("cos", np.cos)])
def test_sine_error_bound(name: str, exact: Callable[[Exact], Exact], rounding: str) -> None:
    x = points()
    function = functions.scalar_function(getattr(functions, name), F32)
    inside = x[np.abs(x) <= 8192]
    found = interpret.apply(function, inside)
    assert np.max(np.abs(found - exact(inside.astype(np.float64)))) <= 2.0**-23
    small = inside[np.abs(inside) < 2]
    assert np.max(errors_in_ulp(interpret.apply(function, small), exact(small.astype(np.float64)))) <= 2
    assert np.isnan(interpret.apply(function, np.array([np.inf, -np.inf, np.nan], np.float32))).all()


def test_pow_error_bound(rounding: str) -> None:
    random = np.random.default_rng(11)
    x, y = points(), points()
    random.shuffle(y)
    count = x.size // 2
    y[:count] = random.choice(np.array([2, 0.5, -0.5, 3, -1, -3, 10, 1 / 3, 0.75], np.float32), count)
    x[count:] = np.abs(x[count:])
    x[-count // 2 :] = random.uniform(0.2, 3, x[-count // 2 :].size).astype(np.float32)
    function = functions.scalar_function(functions.pow, F32, F32)
    edges = np.array([0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 2.5, 1e30, -1e30, np.inf, -np.inf, np.nan], np.float32)
    x, y = np.concatenate([x, np.repeat(edges, 16)]), np.concatenate([y, np.tile(edges, 16)])
    found = interpret.apply(function, x, y)
    with np.errstate(all="ignore"):
        wanted = np.power(x.astype(np.float64), y.astype(np.float64))
    large = ~(np.abs(wanted) < LEAST)
    error = np.where(large, errors_in_ulp(found, wanted), 0)
    worst = int(np.argmax(error))
    assert error[worst] <= 3, f"pow({x[worst]}, {y[worst]}) = {found[worst]}, exactly {wanted[worst]}"
    assert np.max(np.abs(found[~large] - wanted[~large])) <= LEAST


def test_functions_are_as_wide_as_their_argument() -> None:
    for name in (
        "exp",
        "log",
        "sigmoid",
        "tanh",
        "erf",
        "softplus",
        "gelu",
        "gelu_tanh",
        "silu",
        "reciprocal_square_root",
    ):
        function = functions.scalar_function(getattr(functions, name), F32)
        wide = Var("v", F32.wide(4))
        assert inline(Block(), function, (wide,)).type == F32.wide(4)
        assert getattr(functions, name)(Block(), wide).type == F32.wide(4)
