"""Operators that compute each element from the elements at the same place."""

import numpy as np

from intab import dtypes
from intab.formats.onnx.call import Call
from intab.formats.onnx.registry import add_importer, onnx_op
from intab.formats.onnx.tensors import dtype_of_data_type
from intab.graph.ir import Value

_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)

# ONNX and the graph call these the same. Before opset 6 some carry `consumed_inputs`, a hint for reuse of memory.
_UNARY = (
    *("Neg", "Abs", "Exp", "Log", "Sqrt", "Reciprocal", "Erf", "Relu", "Sigmoid", "Tanh", "Sin", "Cos", "Atan"),
    *("Floor", "Ceil", "Round", "Sign", "Not", "Softplus", "Softsign", "HardSwish"),
)
_BINARY = (
    *("Add", "Sub", "Mul", "Div", "Pow", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"),
    *("And", "Or", "Xor"),
)

# Attributes that are floats, with ONNX's defaults.
_PARAMETERS: dict[str, dict[str, float]] = {
    "LeakyRelu": {"alpha": 0.01},
    "Elu": {"alpha": 1.0},
    "Selu": {"alpha": 1.67326319217681884765625, "gamma": 1.05070102214813232421875},
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "ThresholdedRelu": {"alpha": 1.0},
}


def _add_unary(name: str) -> None:
    def unary(call: Call, x: Value) -> Value:
        call.ignore("consumed_inputs")
        return call.result(name, x)

    add_importer(name, unary, since=1)


def _add_binary(name: str) -> None:
    def binary(call: Call, a: Value, b: Value) -> Value:
        return call.result(name, a, b)

    def aligned_binary(call: Call, a: Value, b: Value) -> Value:
        call.ignore("consumed_inputs")
        return call.result(name, a, _aligned(call, a, b))

    add_importer(name, binary, since=7)
    add_importer(name, aligned_binary, since=1)


def _add_parametric(name: str, defaults: dict[str, float]) -> None:
    def parametric(call: Call, x: Value) -> Value:
        call.ignore("consumed_inputs")
        return call.result(name, x, **{key: call.number(key, default) for key, default in defaults.items()})

    add_importer(name, parametric, since=6)


for _name in _UNARY:
    _add_unary(_name)
for _name in _BINARY:
    _add_binary(_name)
for _name, _defaults in _PARAMETERS.items():
    _add_parametric(_name, _defaults)


def _aligned(call: Call, a: Value, b: Value) -> Value:
    """b as numpy's broadcasting needs it: until opset 6 its axes lay at `axis` of a, if `broadcast` was set."""
    axis = call.integer("axis", a.rank - b.rank)
    if not call.flag("broadcast", default=False):
        if a.rank != b.rank:
            raise call.malformed(f"inputs have {a.rank} and {b.rank} axes, and broadcasting is not asked for")
        return b
    axis = axis + a.rank if axis < 0 else axis
    if not 0 <= axis <= a.rank - b.rank:
        raise call.malformed(f"an input of {b.rank} axes cannot lie at axis {axis} of one with {a.rank}")
    behind = a.rank - b.rank - axis
    return call.part("Reshape", b, shape=(*b.shape, *(1,) * behind)) if behind else b


@onnx_op("PRelu", since=7)
def prelu(call: Call, x: Value, slope: Value) -> Value:
    return call.result("PRelu", x, slope)


@onnx_op("PRelu", since=1)
def channel_prelu(call: Call, x: Value, slope: Value) -> Value:
    """Until opset 6 a slope of one axis belongs to the channels, which are axis 1."""
    call.ignore("consumed_inputs")
    if slope.rank == 1 and x.rank > 2 and slope.shape[0] != 1:
        slope = call.part("Reshape", slope, shape=(*slope.shape, *(1,) * (x.rank - 2)))
    return call.result("PRelu", x, slope)


@onnx_op("Gelu", since=20)
@onnx_op("Gelu", since=1, domain="com.microsoft")
def gelu(call: Call, x: Value) -> Value:
    return call.result("Gelu", x, approximate=call.choice("approximate", ("none", "tanh"), "none"))


@onnx_op("Swish", since=24)
def swish(call: Call, x: Value) -> Value:
    """x * sigmoid(alpha * x)"""
    alpha = call.number("alpha", 1.0)
    if alpha == 1.0:
        return call.result("Silu", x)
    scaled = call.part("Mul", x, call.constant_like(x, alpha))
    return call.result("Mul", x, call.part("Sigmoid", scaled))


@onnx_op("Mish", since=18)
def mish(call: Call, x: Value) -> Value:
    """x * tanh(softplus(x))"""
    return call.result("Mul", x, call.part("Tanh", call.part("Softplus", x)))


@onnx_op("Celu", since=12)
def celu(call: Call, x: Value) -> Value:
    """max(x, 0) + min(0, alpha * (exp(x / alpha) - 1)), which is elu(x / alpha) * alpha for a positive alpha"""
    alpha = call.number("alpha", 1.0)
    if not alpha > 0:
        raise call.unsupported(f"attribute 'alpha' is {alpha}, and only positive ones are known")
    scale = call.constant_like(x, alpha)
    return call.result("Mul", call.part("Elu", call.part("Div", x, scale), alpha=1.0), scale)


@onnx_op("Shrink", since=9)
def shrink(call: Call, x: Value) -> Value:
    """x + bias below -lambd, x - bias above lambd, else 0"""
    limit, bias = call.number("lambd", 0.5), call.constant_like(x, call.number("bias", 0.0))
    below, above = (call.part(op, x, call.constant_like(x, n)) for op, n in (("Less", -limit), ("Greater", limit)))
    rest = call.part("Where", above, call.part("Sub", x, bias), call.constant_like(x, 0))
    return call.result("Where", below, call.part("Add", x, bias), rest)


@onnx_op("IsInf", since=10)
def is_inf(call: Call, x: Value) -> Value:
    """Whether x is infinite, of the signs that are asked for"""
    above, below = call.flag("detect_positive", default=True), call.flag("detect_negative", default=True)
    if above and below:
        return call.result("Equal", call.part("Abs", x), call.constant_like(x, np.inf))
    if not above and not below:
        return call.result("Less", x, call.constant_like(x, -np.inf))  # none is
    return call.result("Equal", x, call.constant_like(x, np.inf if above else -np.inf))


@onnx_op("Tan", since=7)
def tan(call: Call, x: Value) -> Value:
    return call.result("Div", call.part("Sin", x), call.part("Cos", x))


@onnx_op("Asin", since=7)
def asin(call: Call, x: Value) -> Value:
    return call.result("Atan", _tangent_of_sine(call, x))


@onnx_op("Acos", since=7)
def acos(call: Call, x: Value) -> Value:
    """pi / 2 - asin(x)"""
    return call.result("Sub", call.constant_like(x, np.pi / 2), call.part("Atan", _tangent_of_sine(call, x)))


def _tangent_of_sine(call: Call, x: Value) -> Value:
    """x / sqrt((1 - x) * (1 + x)), infinite at 1 and -1"""
    one = call.constant_like(x, 1)
    square = call.part("Mul", call.part("Sub", one, x), call.part("Add", one, x))
    return call.part("Div", x, call.part("Sqrt", square))


@onnx_op("Cosh", since=9)
def cosh(call: Call, x: Value) -> Value:
    """(exp(x) + exp(-x)) / 2"""
    return _half_of_powers(call, "Add", x)


@onnx_op("Sinh", since=9)
def sinh(call: Call, x: Value) -> Value:
    """(exp(x) - exp(-x)) / 2"""
    return _half_of_powers(call, "Sub", x)


def _half_of_powers(call: Call, op: str, x: Value) -> Value:
    both = call.part(op, call.part("Exp", x), call.part("Exp", call.part("Neg", x)))
    return call.result("Mul", both, call.constant_like(x, 0.5))


@onnx_op("Asinh", since=9)
def asinh(call: Call, x: Value) -> Value:
    """sign(x) * log(|x| + sqrt(x * x + 1))"""
    size, one = call.part("Abs", x), call.constant_like(x, 1)
    root = call.part("Sqrt", call.part("Add", call.part("Mul", x, x), one))
    return call.result("Mul", call.part("Sign", x), call.part("Log", call.part("Add", size, root)))


@onnx_op("Acosh", since=9)
def acosh(call: Call, x: Value) -> Value:
    """log(x + sqrt(x * x - 1))"""
    root = call.part("Sqrt", call.part("Sub", call.part("Mul", x, x), call.constant_like(x, 1)))
    return call.result("Log", call.part("Add", x, root))


@onnx_op("Atanh", since=9)
def atanh(call: Call, x: Value) -> Value:
    """log((1 + x) / (1 - x)) / 2"""
    one = call.constant_like(x, 1)
    ratio = call.part("Div", call.part("Add", one, x), call.part("Sub", one, x))
    return call.result("Mul", call.part("Log", ratio), call.constant_like(x, 0.5))


@onnx_op("Mod", since=10)
def mod(call: Call, a: Value, b: Value) -> Value:
    return call.result("Mod", a, b, fmod=call.flag("fmod", default=False))


@onnx_op("IsNaN", since=9)
def is_nan(call: Call, x: Value) -> Value:
    """Only NaN differs from itself."""
    return call.result("Not", call.part("Equal", x, x))


@onnx_op("Where", since=9)
def where(call: Call, condition: Value, a: Value, b: Value) -> Value:
    return call.result("Where", condition, a, b)


@onnx_op("Clip", since=11)
def clip(call: Call, x: Value, low: Value | None = None, high: Value | None = None) -> Value:
    """Bounds that are constant floats become attributes; others are tensors of their own."""
    if x.dtype.is_float and all(bound is None or call.builder.constant_of(bound) for bound in (low, high)):
        minimum = -np.inf if low is None else float(call.known_scalar(low, "the lower bound"))
        maximum = np.inf if high is None else float(call.known_scalar(high, "the upper bound"))
        return call.result("Clip", x, minimum=minimum, maximum=maximum)
    if low is None and high is None:
        return x
    if high is None:
        return call.result("Maximum", x, low)
    return call.result("Minimum", x if low is None else call.part("Maximum", x, low), high)


@onnx_op("Clip", since=1)
def clip_by_attributes(call: Call, x: Value) -> Value:
    call.ignore("consumed_inputs")
    # Opset 6 made the largest float32 the default, which is not the same as no bound: infinities are clipped.
    bound = _LARGEST_FLOAT32 if call.opset >= 6 else float(np.inf)
    return call.result("Clip", x, minimum=call.number("min", -bound), maximum=call.number("max", bound))


@onnx_op("Cast", since=6)
def cast(call: Call, x: Value) -> Value:
    # `saturate` and `round_mode` concern 8-bit floats only.
    call.ignore("saturate", "round_mode")
    return call.result("Cast", x, to=dtype_of_data_type(call.integer("to"), call.where))


@onnx_op("Cast", since=1)
def cast_by_name(call: Call, x: Value) -> Value:
    """Opset 1 to 5 name the type: "FLOAT", "INT64"."""
    name = call.text("to").lower()
    found = next((d for d in dtypes.DTYPES.values() if d.numpy_name == {"float": "float32"}.get(name, name)), None)
    if found is None:
        raise call.unsupported(f"attribute 'to' is {name!r}")
    return call.result("Cast", x, to=found)


@onnx_op("CastLike", since=15)
def cast_like(call: Call, x: Value, like: Value) -> Value:
    call.ignore("saturate", "round_mode")
    return call.result("Cast", x, to=like.dtype)
