"""Models in the format of LiteRT.js, written with the schema's own bindings."""

from pathlib import Path

import flatbuffers
import numpy as np
import tflite

VERSION = 3  # of the schema
IDENTIFIER = b"TFL3"


def write_product(path: Path, size: int) -> Path:
    """A model of one product, y = a @ b, all of them f32 [size, size]; a and b are fed."""
    builder = flatbuffers.Builder(1024)
    tensors = [_tensor(builder, name, size) for name in ("a", "b", "y")]
    operator = _operator(builder)
    graph = _graph(builder, _offsets(builder, tensors), _offsets(builder, [operator]))
    tflite.BufferStart(builder)
    buffers = _offsets(builder, [tflite.BufferEnd(builder)])
    tflite.OperatorCodeStart(builder)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, tflite.BuiltinOperator.BATCH_MATMUL)
    tflite.OperatorCodeAddBuiltinCode(builder, tflite.BuiltinOperator.BATCH_MATMUL)
    tflite.OperatorCodeAddVersion(builder, 1)
    codes = _offsets(builder, [tflite.OperatorCodeEnd(builder)])
    graphs = _offsets(builder, [graph])
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, VERSION)
    tflite.ModelAddOperatorCodes(builder, codes)
    tflite.ModelAddSubgraphs(builder, graphs)
    tflite.ModelAddBuffers(builder, buffers)
    builder.Finish(tflite.ModelEnd(builder), IDENTIFIER)
    path.write_bytes(builder.Output())
    return path


def _tensor(builder: flatbuffers.Builder, name: str, size: int) -> int:
    shape = builder.CreateNumpyVector(np.array([size, size], np.int32))
    text = builder.CreateString(name)
    tflite.TensorStart(builder)
    tflite.TensorAddShape(builder, shape)
    tflite.TensorAddType(builder, tflite.TensorType.FLOAT32)
    tflite.TensorAddName(builder, text)
    return int(tflite.TensorEnd(builder))


def _operator(builder: flatbuffers.Builder) -> int:
    inputs = builder.CreateNumpyVector(np.array([0, 1], np.int32))
    outputs = builder.CreateNumpyVector(np.array([2], np.int32))
    tflite.BatchMatMulOptionsStart(builder)
    options = tflite.BatchMatMulOptionsEnd(builder)
    tflite.OperatorStart(builder)
    tflite.OperatorAddInputs(builder, inputs)
    tflite.OperatorAddOutputs(builder, outputs)
    tflite.OperatorAddBuiltinOptionsType(builder, tflite.BuiltinOptions.BatchMatMulOptions)
    tflite.OperatorAddBuiltinOptions(builder, options)
    return int(tflite.OperatorEnd(builder))


def _graph(builder: flatbuffers.Builder, tensors: int, operators: int) -> int:
    inputs = builder.CreateNumpyVector(np.array([0, 1], np.int32))
    outputs = builder.CreateNumpyVector(np.array([2], np.int32))
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, tensors)
    tflite.SubGraphAddInputs(builder, inputs)
    tflite.SubGraphAddOutputs(builder, outputs)
    tflite.SubGraphAddOperators(builder, operators)
    return int(tflite.SubGraphEnd(builder))


def _offsets(builder: flatbuffers.Builder, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
