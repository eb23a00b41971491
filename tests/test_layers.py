"""Layers point one way: no import of the package goes against the table."""

from pathlib import Path

import pytest

import intab
from tests.layers import LAYERS, violations

PACKAGE = Path(intab.__file__).parent


def test_no_import_goes_against_the_table():
    found = violations(PACKAGE)
    assert not found, "not allowed by tests/layers.py:\n" + "\n".join(map(str, found))


def test_every_folder_is_in_the_table():
    parts = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}
    assert parts - {"__init__"} <= set(LAYERS)


def test_table_has_no_cycle():
    remaining = dict(LAYERS)
    while remaining:
        free = [layer for layer, used in remaining.items() if not used & set(remaining)]
        assert free, f"these layers import each other: {sorted(remaining)}"
        for layer in free:
            del remaining[layer]


@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        ("graph/bad.py", "from intab.ops import registry", "graph imports intab.ops.registry"),
        ("graph/bad.py", "def f():\n    import intab.kernels.ir", "graph imports intab.kernels.ir"),
        ("ops/bad.py", "from ..program import build", "ops imports intab.program.build"),
        ("ops/bad.py", "from .. import program", "ops imports intab.program"),
        ("runtime/bad.py", "import js", "runtime imports js"),
        ("runtime/bad.py", "from pyodide.ffi import to_js", "runtime imports pyodide.ffi.to_js"),
        (
            "backends/wasm/bad.py",
            "import importlib\nimportlib.import_module('intab.runtime.load')",
            "intab.runtime.load",
        ),
        ("pipelines/bad.py", "from intab import load", "pipelines imports intab.load"),
        ("invented/bad.py", "from intab.graph import ir", "invented imports intab.graph.ir"),
        ("cli/bad.py", "from intab.pages import kernel", "cli imports intab.pages.kernel"),
        ("__init__.py", "import js", "intab imports js"),
    ],
)
def test_checker_finds_a_planted_violation(tmp_path, path, source, expected):
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source)
    (violation,) = violations(tmp_path)
    assert expected in str(violation)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("graph/good.py", "from intab.errors import ShapeError\nfrom intab.graph.ir import Graph\nimport numpy"),
        ("browser/good.py", "import js\nfrom pyodide.ffi import to_js"),
        ("cli/good.py", "import intab\nfrom intab.runtime import load\nfrom intab import __version__"),
        ("__init__.py", "from intab.runtime.load import load"),
        ("ops/good.py", "from ..graph import ir"),
    ],
)
def test_checker_lets_allowed_imports_pass(tmp_path, path, source):
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source)
    assert violations(tmp_path) == []
