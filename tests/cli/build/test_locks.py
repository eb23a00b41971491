"""The lock files are read whole or refused with the entry and the key that is wrong."""

from pathlib import Path

import pytest

from intab.cli.build.locks import IndexSource, PackageSource, UrlSource, read_models_lock, read_wheels_lock
from intab.errors import IntabError

ROOT = Path(__file__).resolve().parents[3]

SOURCES = """
[sources.web]
url = "https://example.org/wheels"
[sources.carrier]
package = "carrier"
version = "1.0"
folder = "inside/"
[sources.index]
index = true
"""
WHEEL = f"""
[[wheel]]
name = "thing"
version = "1.2"
file_name = "thing-1.2-py3-none-any.whl"
nbytes = 3
sha256 = "{"0" * 64}"
licence = "MIT"
sources = ["web", "carrier", "index"]
use = "site"
left_out = ["*.pyi"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "wheels.lock.toml"
    path.write_text(text)
    return path


def test_sources_keep_their_order_of_preference(tmp_path):
    (entry,) = read_wheels_lock(written(tmp_path, SOURCES + WHEEL))
    assert entry.artifact.sources == (
        UrlSource("web", "https://example.org/wheels/"),
        PackageSource("carrier", "carrier", "1.0", "inside/"),
        IndexSource("index"),
    )
    assert entry.left_out == ("*.pyi",)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('version = "1.2"', "", "wheels.lock.toml: wheel 1: version = None; give a text."),
        ("nbytes = 3", 'nbytes = "3"', "wheel 1: nbytes = '3'; give the file's size in bytes."),
        ("0" * 64, "0" * 63, "give 64 hexadecimal digits."),
        ("0" * 64, "G" * 64, "give 64 hexadecimal digits."),
        ('"web", "carrier"', '"wbe", "carrier"', "sources ['wbe']; the file defines ['carrier', 'index', 'web']."),
        ('use = "site"', 'use = "sight"', "use = 'sight'; give one of start, site, tests."),
        ('left_out = ["*.pyi"]', 'left_out = "*.pyi"', "left_out = '*.pyi'; give a list of texts."),
        ('url = "https://example.org/wheels"', 'adress = "x"', "source 'web': needs one of url, package, or index"),
        ("[[wheel]]", "[[wheel", "not TOML"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path, old, new, complaint):
    text = SOURCES + WHEEL
    assert old in text
    with pytest.raises(IntabError, match="wheels.lock.toml") as caught:
        read_wheels_lock(written(tmp_path, text.replace(old, new)))
    assert complaint in str(caught.value)


def test_a_missing_lock_says_what_to_do(tmp_path):
    with pytest.raises(IntabError, match="no such lock file. Run this from a checkout of intab"):
        read_models_lock(tmp_path / "models.lock.toml")


def test_locks_of_this_checkout_are_sound():
    wheels = read_wheels_lock(ROOT / "wheels" / "wheels.lock.toml")
    models = read_models_lock(ROOT / "models.lock.toml")
    assert {"numpy", "micropip"} <= {entry.name for entry in wheels if entry.use == "start"}
    shipped = [entry.path for entry in models if entry.use == "site"]
    assert shipped == ["ocr/det.onnx", "ocr/rec.onnx", "ocr/cls.onnx"]
    assert {entry.use for entry in models} == {"site", "tests"}
    for entry in wheels:
        assert entry.artifact.file_name.lower().startswith(f"{entry.name}-{entry.version}-")
