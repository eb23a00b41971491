"""Integer work beside the same work in floats: single operators, and trained models that were quantized."""

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from benchmark.cases import Case, floats, values_of, write_model
from tests.quantized_models import FORMS, INPUT, float_model, other_feeds, quantized

TRAINED = ("det", "efficientnet_lite0")
"""Quantized by onnxruntime's own tools."""
INTEGER_SHAPES: tuple[tuple[str, str, list[int], list[int], list[int], dict[str, Any]], ...] = (
    ("matmul256", "MatMul", [256, 256], [256, 256], [256, 256], {}),
    ("matmul1024", "MatMul", [1024, 1024], [1024, 1024], [1024, 1024], {}),
    ("convolution_3x3", "Conv", [1, 64, 56, 56], [64, 64, 3, 3], [1, 64, 56, 56], {"pads": [1, 1, 1, 1]}),
)


def integer_models(folder: Path) -> dict[str, Path]:
    """A product and a 3x3 convolution by weights of the model: in floats, and of bytes into bytes."""
    made = {}
    for name, operator, x_shape, w_shape, y_shape, attributes in INTEGER_SHAPES:
        weights = floats(*w_shape, scale=0.05)
        ends = [("x", TensorProto.FLOAT, x_shape), ("y", TensorProto.FLOAT, y_shape)]
        node = helper.make_node(operator, ["x", "w"], ["y"], **attributes)
        made[f"{name}_f32"] = write_model(folder / f"{name}_f32.onnx", [node], values_of(ends), {"w": weights})
        scales = {
            "x_scale": np.float32(1 / 64),
            "x_zero": np.uint8(128),
            "w": np.clip(np.rint(weights * 512), -127, 127).astype(np.int8),
            "w_scale": np.float32(1 / 512),
            "w_zero": np.int8(0),
            "y_scale": np.float32(1 / 32),
            "y_zero": np.uint8(128),
        }
        node = helper.make_node(f"QLinear{operator}", ["x", *scales], ["y"], **attributes)
        ends = [(value, TensorProto.UINT8, shape) for value, _, shape in ends]
        made[f"{name}_i8"] = write_model(folder / f"{name}_i8.onnx", [node], values_of(ends), scales)
    return made


def integer_cases() -> dict[str, list[Case]]:
    """By name of what is computed: its float case, then the integer one."""
    found = {}
    for name, _, x_shape, *_ in INTEGER_SHAPES:
        small = floats(*x_shape)
        bytes_ = np.clip(np.rint(small * 64) + 128, 0, 255).astype(np.uint8)
        found[name] = [Case(f"{name}_f32", "f32", {"x": small}), Case(f"{name}_i8", "u8 by i8", {"x": bytes_})]
    return found


def quantized_models() -> dict[str, Path]:
    """Trained models in floats and as onnxruntime's own tools quantize them."""
    found = {}
    for name in TRAINED:
        found[f"{name}_f32"] = float_model(name)
        found |= {f"{name}_{form}": quantized(name, form) for form in FORMS}
    return found


def quantized_cases() -> dict[str, list[Case]]:
    """By name of the model: its float case, then those of its quantized forms, on one picture."""
    found = {}
    for name in TRAINED:
        feed = next(iter(other_feeds(name)))
        forms = ["f32", *FORMS]
        found[name] = [Case(f"{name}_{form}", form, {INPUT: feed}) for form in forms]
    return found
