"""Normalisations."""

from collections.abc import Callable

from intab.formats.onnx.call import Call
from intab.formats.onnx.registry import add_importer, onnx_op
from intab.graph.dims import Dim, product
from intab.graph.ir import Value

_EPSILON = 1e-5


Emit = Callable[..., Value]
# What is emitted for (x, axis), the last of it by the second argument.
Rows = Callable[[Call, Emit, Value, int], Value]


def _add_rows(name: str, rows: Rows) -> None:
    def over_axis(call: Call, x: Value) -> Value:
        return rows(call, call.result, x, call.axis(call.integer("axis", -1), x.rank))

    def over_rest(call: Call, x: Value) -> Value:
        """Until opset 12 the axes from `axis` on count as one long axis."""
        axis = call.axis(call.integer("axis", 1), x.rank)
        if all(size == 1 for size in x.shape[axis + 1 :]):
            return rows(call, call.result, x, axis)
        flat = call.part("Reshape", x, shape=(product(x.shape[:axis]), product(x.shape[axis:])))
        return call.result("Reshape", rows(call, call.part, flat, 1), shape=x.shape)

    add_importer(name, over_axis, since=13)
    add_importer(name, over_rest, since=1)


def _softmax(name: str) -> Rows:
    return lambda call, emit, x, axis: emit(name, x, axis=axis)


def _hardmax(call: Call, emit: Emit, x: Value, axis: int) -> Value:
    """1 at the first of the largest elements along an axis, else 0."""
    best = call.part("ArgMax", x, axis=axis, keepdims=True, select_last=False)
    places = call.part("Range", start=0, count=x.shape[axis])
    shape = (*(1 for _ in x.shape[:axis]), x.shape[axis], *(1 for _ in x.shape[axis + 1 :]))
    return emit("Cast", call.part("Equal", call.part("Reshape", places, shape=shape), best), to=x.dtype)


for _name, _rows in {
    "Softmax": _softmax("Softmax"),
    "LogSoftmax": _softmax("LogSoftmax"),
    "Hardmax": _hardmax,
}.items():
    _add_rows(_name, _rows)


@onnx_op("BatchNormalization", since=1)
def batch_normalization(call: Call, x: Value, scale: Value, bias: Value, mean: Value, variance: Value) -> Value:
    """Each channel with its own mean and variance, as they were in training."""
    call.ignore("momentum", "consumed_inputs")
    if call.opset < 9 and not call.flag("spatial", default=True):
        raise call.unsupported("it has a mean for each element, not one for each channel (spatial=0)")
    # Until opset 6 a node is in training mode unless it says that it is not.
    if call.opset >= 7:
        is_training = call.flag("training_mode", default=False)
    else:
        is_training = not call.flag("is_test", default=False)
    if is_training or any(call.wants(output) for output in range(1, 5)):
        raise call.unsupported("it is in training mode")
    return call.result("BatchNorm", x, scale, bias, mean, variance, epsilon=call.number("epsilon", _EPSILON))


@onnx_op("LayerNormalization", since=17)
def layer_normalization(
    call: Call, x: Value, scale: Value, bias: Value | None = None
) -> Value | tuple[Value, Value, Value]:
    """The second and third outputs, mean and 1 / standard deviation, are made only when they are asked for."""
    call.ignore("stash_type")
    axis = call.axis(call.integer("axis", -1), x.rank)
    normal = call.result("LayerNorm", x, scale, bias, axis=axis, epsilon=call.number("epsilon", _EPSILON))
    if not (call.wants(1) or call.wants(2)):
        return normal
    axes = tuple(range(axis, x.rank))
    mean = call.part("ReduceMean", x, axes=axes, keepdims=True)
    variance = _variance(call, call.part("Sub", x, mean), axes)
    deviation = _deviation(call, variance, call.number("epsilon", _EPSILON))
    return normal, mean, call.part("Reciprocal", deviation)


@onnx_op("RMSNormalization", since=23)
@onnx_op("SimplifiedLayerNormalization", since=1)  # as onnxruntime writes it, in the standard's domain
@onnx_op("SimplifiedLayerNormalization", since=1, domain="com.microsoft")
def rms_normalization(call: Call, x: Value, scale: Value) -> Value:
    """x / sqrt(mean(x * x) + epsilon) * scale over the axes from `axis` on"""
    call.ignore("stash_type")
    return rms_normalized(call, x, scale, call.integer("axis", -1), call.number("epsilon", _EPSILON))


def rms_normalized(call: Call, x: Value, scale: Value, axis: int, epsilon: float) -> Value:
    """x / sqrt(mean(x * x) + epsilon) * scale over the axes from `axis` on"""
    axes = tuple(range(call.axis(axis, x.rank), x.rank))
    power = call.part("ReduceMean", call.part("Mul", x, x), axes=axes, keepdims=True)
    return call.result("Mul", _divided(call, x, power, epsilon), scale)


@onnx_op("MeanVarianceNormalization", since=9)
def mean_variance_normalization(call: Call, x: Value) -> Value:
    """(x - mean) / (deviation + 1e-9) along axes. Source: ONNX MeanVarianceNormalization-13."""
    axes = tuple(sorted(call.axes(call.integers("axes", (0, 2, 3)), x.rank)))
    centred = call.part("Sub", x, call.part("ReduceMean", x, axes=axes, keepdims=True))
    deviation = call.part("Sqrt", _variance(call, centred, axes))
    return call.result("Div", centred, call.part("Add", deviation, call.constant_like(x, 1e-9)))


@onnx_op("InstanceNormalization", since=6)
def instance_normalization(call: Call, x: Value, scale: Value, bias: Value) -> Value:
    """Each channel of each example with its own mean and variance; scale and bias [C]"""
    if x.rank < 3:
        raise call.malformed(f"its input has {x.rank} axes, but batch, channel and at least one more are expected")
    normal = _standardised(call, x, tuple(range(2, x.rank)))
    return _scaled(call, normal, scale, bias, (*scale.shape, *(1,) * (x.rank - 2)))


@onnx_op("GroupNormalization", since=21)
def group_normalization(call: Call, x: Value, scale: Value, bias: Value) -> Value:
    """Groups of channels with their own mean and variance; scale and bias [C]"""
    call.ignore("stash_type")
    normal = call.part("Reshape", _grouped(call, x), shape=x.shape)
    return _scaled(call, normal, scale, bias, (*scale.shape, *(1,) * (x.rank - 2)))


@onnx_op("GroupNormalization", since=18)
def group_normalization_by_group(call: Call, x: Value, scale: Value, bias: Value) -> Value:
    """Opset 18 to 20: scale and bias [groups]"""
    scaled = _scaled(call, _grouped(call, x), scale, bias, (*scale.shape, 1))
    return call.result("Reshape", scaled, shape=x.shape)


@onnx_op("LRN", since=1)
def local_response_normalization(call: Call, x: Value) -> Value:
    size, bias = call.integer("size"), call.number("bias", 1.0)
    if size < 1:
        raise call.malformed(f"attribute 'size' is {size}, but 1 or more is expected")
    if not bias > 0:
        raise call.unsupported(f"attribute 'bias' is {bias}, and only positive ones are known")
    alpha, beta = call.number("alpha", 1e-4), call.number("beta", 0.75)
    return call.result("LocalResponseNorm", x, size=size, alpha=alpha, beta=beta, bias=bias)


@onnx_op("LpNormalization", since=1)
def lp_normalization(call: Call, x: Value) -> Value:
    """x / sum(|x|) or x / sqrt(sum(x * x)) along an axis, and 0 where that is 0"""
    axes = (call.axis(call.integer("axis", -1), x.rank),)
    power = call.integer("p", 2)
    if power not in (1, 2):
        raise call.malformed(f"attribute 'p' is {power}, but 1 or 2 is expected")
    total = call.part(
        "ReduceSum", call.part("Abs", x) if power == 1 else call.part("Mul", x, x), axes=axes, keepdims=True
    )
    length = total if power == 1 else call.part("Sqrt", total)
    is_zero = call.part("Equal", length, call.constant_like(x, 0))
    return call.result("Div", x, call.part("Where", is_zero, call.constant_like(x, 1), length))


def _grouped(call: Call, x: Value) -> Value:
    """x [N, C, ...] as [N, groups, all the rest], each group standardised."""
    groups = call.integer("num_groups")
    if x.rank < 2 or groups < 1 or (isinstance(x.shape[1], int) and x.shape[1] % groups):
        raise call.malformed(f"{groups} groups do not fit the channels of an input of shape {list(x.shape)}")
    rest: Dim = product(x.shape[1:]) // groups
    return _standardised(call, call.part("Reshape", x, shape=(x.shape[0], groups, rest)), (2,))


def _standardised(call: Call, x: Value, axes: tuple[int, ...]) -> Value:
    """(x - mean) / sqrt(variance + epsilon) along axes."""
    centred = call.part("Sub", x, call.part("ReduceMean", x, axes=axes, keepdims=True))
    return _divided(call, centred, _variance(call, centred, axes), call.number("epsilon", _EPSILON))


def _variance(call: Call, centred: Value, axes: tuple[int, ...]) -> Value:
    return call.part("ReduceMean", call.part("Mul", centred, centred), axes=axes, keepdims=True)


def _divided(call: Call, x: Value, power: Value, epsilon: float) -> Value:
    """x / sqrt(power + epsilon)"""
    return call.part("Div", x, _deviation(call, power, epsilon))


def _deviation(call: Call, power: Value, epsilon: float) -> Value:
    """sqrt(power + epsilon)"""
    return call.part("Sqrt", call.part("Add", power, call.constant_like(power, epsilon)))


def _scaled(call: Call, x: Value, scale: Value, bias: Value, shape: tuple[Dim, ...]) -> Value:
    """x * scale + bias, both reshaped so that they broadcast."""
    factor = call.part("Reshape", scale, shape=shape)
    return call.result("Add", call.part("Mul", x, factor), call.part("Reshape", bias, shape=shape))
