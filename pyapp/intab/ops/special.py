"""The error function, which numpy lacks."""

import numpy as np

from intab.ops.arrays import Numbers

# Rational approximations of erf and erfc by W. J. Cody, Math. Comp. 23 (1969), 631-637: |x| <= 0.46875,
# up to 4, and beyond; relative error below 1e-15. Highest power first.
_SMALL = (
    (0.185777706184603153, 3.16112374387056560, 113.864154151050156, 377.485237685302021, 3209.37758913846947),
    (1.0, 23.6012909523441209, 244.024637934444173, 1282.61652607737228, 2844.23683343917062),
)
_MIDDLE = (
    (
        2.15311535474403846e-8,
        0.564188496988670089,
        8.88314979438837594,
        66.1191906371416295,
        298.635138197400131,
        881.952221241769090,
        1712.04761263407058,
        2051.07837782607147,
        1230.33935479799725,
    ),
    (
        1.0,
        15.7449261107098347,
        117.693950891312499,
        537.181101862009858,
        1621.38957456669019,
        3290.79923573345963,
        4362.61909014324716,
        3439.36767414372164,
        1230.33935480374942,
    ),
)
_LARGE = (
    (
        0.0163153871373020978,
        0.305326634961232344,
        0.360344899949804439,
        0.125781726111229246,
        0.0160837851487422766,
        6.58749161529837803e-4,
    ),
    (
        1.0,
        2.56852019228982242,
        1.87295284992346047,
        0.527905102951428412,
        0.0605183413124413191,
        2.33520497626869185e-3,
    ),
)


def erf(x: Numbers) -> Numbers:
    """2/sqrt(pi) times the integral of exp(-t^2) from 0 to x, computed in float64, in the type of x."""
    wide = np.asarray(x, dtype=np.float64)
    size = np.abs(wide)
    small = wide * _ratio(_SMALL, np.minimum(size, 0.46875) ** 2)
    # The tails are equal to 1 in float64 from 6 on; NaN passes through minimum and maximum.
    far = np.clip(size, 0.46875, 6.0)
    falling = np.exp(-far * far)
    middle = 1.0 - falling * _ratio(_MIDDLE, far)
    inverse = 1.0 / (far * far)
    large = 1.0 - falling / far * (1.0 / np.sqrt(np.pi) - inverse * _ratio(_LARGE, inverse))
    tail = np.copysign(np.where(size <= 4.0, middle, large), wide)
    result = np.where(size <= 0.46875, small, tail)
    return np.asarray(result).astype(np.asarray(x).dtype)


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Numbers) -> Numbers:
    above, below = coefficients
    return np.asarray(np.polyval(above, x) / np.polyval(below, x))
