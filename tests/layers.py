"""The import table of docs/architecture.md, and a checker of it that reads source, not modules."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Every layer may import these and itself.
COMMON = frozenset({"errors", "dtypes", "target"})

# Layer -> the other layers it may import. What those may use is not implied.
_PAGE_LAYERS: Mapping[str, frozenset[str]] = {
    "pages": frozenset({"pipelines", "live", "train", "tensor", "runtime", "browser"}),
    "live": frozenset({"pipelines", "media", "runtime", "browser"}),
    "pipelines": frozenset({"media", "runtime", "tensor"}),
    "media": frozenset({"runtime", "ops", "kernels", "browser"}),
    "train": frozenset({"tensor", "runtime", "formats"}),
    "tensor": frozenset({"runtime", "ops", "graph"}),
    "runtime": frozenset({"formats", "optimize", "program", "backends", "browser", "graph"}),
    "backends": frozenset({"program", "kernels", "ops", "graph", "browser"}),
    "program": frozenset({"ops", "kernels", "graph"}),
    "optimize": frozenset({"ops", "graph"}),
    "formats": frozenset({"ops", "graph"}),
    "ops": frozenset({"graph", "kernels"}),
    "graph": frozenset(),
    "kernels": frozenset(),
    "browser": frozenset(),
    "errors": frozenset(),
    "dtypes": frozenset(),
    "target": frozenset(),
}
LAYERS: Mapping[str, frozenset[str]] = {**_PAGE_LAYERS, "cli": frozenset(_PAGE_LAYERS) - {"pages"}}

# Modules that exist only inside a browser.
BROWSER_ONLY = frozenset({"js", "pyodide", "pyodide_js", "_pyodide", "_pyodide_core"})


@dataclass(frozen=True, slots=True)
class Violation:
    """An import that the table does not allow."""

    path: str
    line: int
    layer: str
    imported: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.layer} imports {self.imported}"


def violations(package: Path) -> list[Violation]:
    """Every import below `package` (the folder of intab) that the table does not allow.

    `intab/__init__.py` sits on top and is free to name anything of the package.
    """
    found = []
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package)
        layer = relative.parts[0].removesuffix(".py")
        on_top = relative == Path("__init__.py")
        for line, module in imported_modules(path.read_text(encoding="utf-8"), ("intab", *relative.parts[:-1])):
            if not _allowed(layer, module, on_top=on_top):
                found.append(Violation(str(relative), line, "intab" if on_top else layer, module))
    return found


def imported_modules(source: str, package: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything a source imports, inside functions and TYPE_CHECKING too.

    `package` is the dotted package that the source lies in, for relative imports. `from a import b` gives `a.b`.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"
        elif isinstance(node, ast.Call) and (module := _module_of_import_call(node)):
            yield node.lineno, module


def _module_of_import_call(node: ast.Call) -> str:
    """The x of `importlib.import_module("x")`, `import_module("x")` or `__import__("x")`; otherwise nothing."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name not in ("import_module", "__import__") or not node.args:
        return ""
    first = node.args[0]
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""


def _allowed(layer: str, module: str, *, on_top: bool) -> bool:
    top, *rest = module.split(".")
    if top in BROWSER_ONLY:
        return layer == "browser"
    if top != "intab" or on_top:
        return True
    if layer not in LAYERS:
        return False  # a new folder needs a row in the table
    if not rest:
        return layer == "cli"  # "import intab": the top, which imports everything below it
    target = rest[0]
    if target not in LAYERS:
        return layer == "cli"  # a name that intab/__init__.py gives, such as intab.__version__
    return target == layer or target in COMMON or target in LAYERS[layer]
