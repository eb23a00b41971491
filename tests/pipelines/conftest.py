"""The OCR models on native onnxruntime, opened once."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.pipelines.onnx_session import OnnxSession


@pytest.fixture(scope="session")
def sessions(ocr_models: Mapping[str, Path]) -> dict[str, OnnxSession]:
    """det, rec and cls. Tests that dispose of sessions open their own."""
    return {name: OnnxSession(path) for name, path in ocr_models.items()}
