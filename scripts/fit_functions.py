"""Compute the coefficients in `intab/kernels/functions.py`: `python3 scripts/fit_functions.py` prints them.

Each function is approximated on its reduced range by a polynomial with the least possible largest weighted error
(Lawson's iteratively reweighted least squares). Coefficients are rounded to f32 from the lowest power up, the rest
being fitted again after each rounding, so that rounding costs next to nothing. Everything is computed in float64;
the reference values come from scipy and numpy.
"""

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

POINTS = 4000
LAWSON_ROUNDS = 200


def chebyshev_points(low: float, high: float) -> Floats:
    """Points of [low, high], denser at the ends, where the error of a fit is wildest."""
    angles = (np.arange(POINTS) + 0.5) * np.pi / POINTS
    points: Floats = (low + high) / 2 - (high - low) / 2 * np.cos(angles)
    return points


def minimax(basis: Floats, target: Floats, weight: Floats) -> Floats:
    """Coefficients c that keep max |weight (basis @ c - target)| least. basis [points, terms]."""
    lawson = np.full(target.size, 1.0 / target.size)
    best, best_error = np.zeros(basis.shape[1]), np.inf
    scale = np.abs(basis).max(axis=0)
    for _ in range(LAWSON_ROUNDS):
        rows = np.sqrt(lawson) * weight
        found = np.linalg.lstsq(basis / scale * rows[:, None], target * rows, rcond=None)[0] / scale
        error = np.abs(weight * (basis @ found - target))
        if error.max() < best_error:
            best, best_error = found, float(error.max())
        lawson = lawson * error / np.sum(lawson * error)
        lawson = np.maximum(lawson, 1e-12)
    return best


def rounded_polynomial(x: Floats, target: Floats, weight: Floats, powers: range) -> list[float]:
    """f32 coefficients of sum c_k x^k over `powers`, fitted anew after each is rounded."""
    columns = [x**k for k in powers]
    fixed: list[float] = []
    rest = target
    for index in range(len(columns)):
        found = minimax(np.stack(columns[index:], axis=1), rest, weight)
        coefficient = float(np.float32(found[0]))
        fixed.append(coefficient)
        rest = rest - coefficient * columns[index]
    return fixed


def report(name: str, coefficients: list[float], error: Floats) -> None:
    """Print coefficients, lowest power first, and the largest relative error of the fit in units of 2^-24."""
    print(f"{name}: largest error {np.abs(error).max() * 2**24:.3f} x 2^-24")
    print("    (" + ", ".join(f"{c!r}" for c in coefficients) + ")")


def fit_exp() -> None:
    """2 exp(r) = 2 + 2r + r^2 p(r) for |r| <= ln 2 / 2 and a little more."""
    r = chebyshev_points(-0.3467, 0.3467)
    exact = 2 * np.exp(r)
    for terms in (4, 5):
        rest = rounded_polynomial(r, exact - 2 - 2 * r, 1 / exact, range(2, 2 + terms))
        coefficients = [2.0, 2.0, *rest]
        report(f"exp, {terms} terms", rest, polyval(r, coefficients) / exact - 1)


def fit_log() -> None:
    """log(1 + f) = f - f^2 / 2 + f^3 p(f) for 1 + f between sqrt(1/2) and sqrt(2)."""
    f = chebyshev_points(np.sqrt(0.5) - 1, np.sqrt(2.0) - 1)
    exact = np.log1p(f)
    for terms in (7, 8):
        rest = rounded_polynomial(f, exact - f + f * f / 2, np.abs(1 / exact), range(3, 3 + terms))
        fitted = f - f * f / 2 + f**3 * polyval(f, rest)
        report(f"log, {terms} terms", rest, fitted / exact - 1)


def fit_tanh() -> None:
    """tanh x = x + x^3 p(x^2) for |x| <= 0.55."""
    x = chebyshev_points(1e-3, 0.5501)
    for terms in (4, 5):
        rest = rounded_polynomial(x * x, np.tanh(x) / x - 1, x / np.tanh(x), range(1, 1 + terms))
        report(f"tanh, {terms} terms", rest, (x + x**3 * polyval(x * x, rest)) / np.tanh(x) - 1)


def fit_erf() -> None:
    """erf x = x + x p(x^2) for |x| <= 0.93; beyond, erf x = 1 - exp(-x q(x)) for x > 0."""
    x = chebyshev_points(1e-3, 0.9301)
    for terms in (5, 6, 7):
        inner = rounded_polynomial(x * x, special.erf(x) / x - 1, x / special.erf(x), range(terms))
        report(f"erf inside, {terms} terms", inner, (x + x * polyval(x * x, inner)) / special.erf(x) - 1)
    x = chebyshev_points(0.9299, 4.0)
    for terms in (6, 7, 8):
        weight = special.erfc(x) / special.erf(x)
        outer = rounded_polynomial(x, -np.log(special.erfc(x)), weight, range(1, 1 + terms))
        report(f"erf outside, {terms} terms", outer, (1 - np.exp(-x * polyval(x, outer))) / special.erf(x) - 1)


def fit_gelu() -> None:
    """p(u) = 1 + ... with p^2 = erfc(u / sqrt 2) for 0 <= u <= 5.5; gelu x = max(x, 0) - |x| p(|x|)^2 / 2.

    Towards the end the target is bent below 0, by less than matters to p^2.
    """
    end, bend = 5.5, 0.4
    u = chebyshev_points(1e-4, end)
    root, last = np.sqrt(special.erfc(u * np.sqrt(0.5))), np.sqrt(special.erfc(end * np.sqrt(0.5)))
    bent = root - 1.6 * last * np.clip((u - (end - bend)) / bend, 0, 1) ** 2
    weight = np.maximum(root, 3 * last)
    for terms in (11, 12, 13):
        rest = rounded_polynomial(u, bent - 1, weight, range(1, 1 + terms))
        error = np.maximum(polyval(u, [1.0, *rest]), 0) ** 2 / 2 - root**2 / 2
        report(f"gelu, {terms} terms", rest, error)


def fit_sine() -> None:
    """sin x = x + x^3 p(x^2) and cos x = 1 - x^2 / 2 + x^4 p(x^2) for |x| <= pi / 4."""
    x = chebyshev_points(1e-3, np.pi / 4 + 1e-4)
    for terms in (3, 4):
        rest = rounded_polynomial(x * x, np.sin(x) / x - 1, x / np.sin(x), range(1, 1 + terms))
        report(f"sin, {terms} terms", rest, (x + x**3 * polyval(x * x, rest)) / np.sin(x) - 1)
        rest = rounded_polynomial(x * x, np.cos(x) - 1 + x * x / 2, 1 / np.cos(x), range(2, 2 + terms))
        report(f"cos, {terms} terms", rest, (1 - x * x / 2 + x**4 * polyval(x * x, rest)) / np.cos(x) - 1)


def fit_log_quotient() -> None:
    """log((1 + s) / (1 - s)) = 2 s + s^3 p(s^2) for |s| <= 0.172: the argument between sqrt(1/2) and sqrt(2)."""
    s = chebyshev_points(1e-3, 0.1717)
    exact = 2 * np.arctanh(s)
    for terms in (3, 4):
        rest = rounded_polynomial(s * s, (exact - 2 * s) / s, s / exact, range(1, 1 + terms))
        report(f"log quotient, {terms} terms", rest, (2 * s + s**3 * polyval(s * s, rest)) / exact - 1)


def main() -> None:
    fit_exp()
    fit_log()
    fit_tanh()
    fit_erf()
    fit_gelu()
    fit_sine()
    fit_log_quotient()


if __name__ == "__main__":
    main()
