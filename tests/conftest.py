"""Fixtures that tests of several layers share."""

import importlib.util
from pathlib import Path
from types import MappingProxyType

import pytest

from prepare.machine import find_font

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / ".cache" / "models"


@pytest.fixture(scope="session")
def ocr_models() -> MappingProxyType[str, Path]:
    """The three OCR model files: det, rec, cls."""
    models = {name: MODELS / "ocr" / f"{name}.onnx" for name in ("det", "rec", "cls")}
    for path in models.values():
        assert path.is_file(), f"{path} is missing: run python3 scripts/setup.py"
    return MappingProxyType(models)


@pytest.fixture(scope="session")
def skimage_folder() -> Path:
    """The pictures that scikit-image carries in its wheel."""
    found = importlib.util.find_spec("skimage")
    assert found is not None and found.origin is not None, "scikit-image is missing: run python3 scripts/setup.py"
    return Path(found.origin).parent / "data"


@pytest.fixture(scope="session")
def skimage_picture(skimage_folder: Path):
    """A function from a picture's name, such as "page.png", to its file."""

    def path_of(name: str) -> Path:
        path = skimage_folder / name
        assert path.is_file(), f"scikit-image carries no picture {name!r}"
        return path

    return path_of


@pytest.fixture(scope="session")
def chinese_font() -> Path:
    """A font file with Chinese characters."""
    font = find_font()
    assert font is not None, "no font with Chinese characters: run python3 scripts/setup.py"
    return font
