"""What the site is made of, read from `wheels/wheels.lock.toml` and `models.lock.toml`.

Both files name artifacts: one file each, known by its sha256, with the sources that may serve it.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from intab.errors import IntabError

USES = ("start", "site", "tests")
MODEL_USES = ("site", "tests")

Table = Mapping[str, object]
Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A folder on the web that serves the file by its name."""

    name: str
    base: str


@dataclass(frozen=True, slots=True)
class PackageSource:
    """A Python package that carries the file inside, under `folder`."""

    name: str
    package: str
    version: str
    folder: str


@dataclass(frozen=True, slots=True)
class IndexSource:
    """The package index itself: the file is the wheel of a project, by the wheel's own name and version."""

    name: str


Source = UrlSource | PackageSource | IndexSource


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file to bring. `sources` stand in order of preference."""

    file_name: str
    nbytes: int
    sha256: str
    licence: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class WheelEntry:
    """A wheel. `use` is "start" (every page loads it), "site" (loaded when asked for) or "tests" (not in the site)."""

    name: str
    version: str
    artifact: Artifact
    use: str
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model. `id` is its address: "ocr/det" lies at models/ocr/det.onnx. `use` is "site" or "tests" (not there)."""

    id: str
    artifact: Artifact
    origin: str
    use: str

    @property
    def path(self) -> str:
        """Where it lies, in the cache and in the site, below the folder `models`."""
        return self.id + Path(self.artifact.file_name).suffix


def read_wheels_lock(path: Path) -> tuple[WheelEntry, ...]:
    """The wheels of `wheels.lock.toml`, in its order. Raises IntabError naming the entry and the key that is wrong."""
    return _read(path, "wheel", _wheel)


def read_models_lock(path: Path) -> tuple[ModelEntry, ...]:
    """The models of `models.lock.toml`, in its order. Raises IntabError naming the entry and the key that is wrong."""
    return _read(path, "model", _model)


def _read(path: Path, kind: str, parse: Callable[[Table, Mapping[str, Source], str], Parsed]) -> tuple[Parsed, ...]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise IntabError(f"{path}: no such lock file. Run this from a checkout of intab.") from None
    except tomllib.TOMLDecodeError as error:
        raise IntabError(f"{path}: not TOML: {error}. Restore the file from the repository.") from error
    sources = {name: _source(name, table, path) for name, table in document.get("sources", {}).items()}
    return tuple(
        parse(entry, sources, f"{path.name}: {kind} {index}") for index, entry in enumerate(document.get(kind, []), 1)
    )


def _source(name: str, table: Table, path: Path) -> Source:
    where = f"{path.name}: source {name!r}"
    if "url" in table:
        base = _text(table, "url", where)
        return UrlSource(name, base if base.endswith("/") else base + "/")
    if "package" in table:
        return PackageSource(
            name, _text(table, "package", where), _text(table, "version", where), _text(table, "folder", where)
        )
    if table.get("index") is True:
        return IndexSource(name)
    raise IntabError(f"{where}: needs one of url, package, or index = true.")


def _wheel(entry: Table, sources: Mapping[str, Source], where: str) -> WheelEntry:
    return WheelEntry(
        name=_text(entry, "name", where),
        version=_text(entry, "version", where),
        artifact=_artifact(entry, sources, where),
        use=_use(entry, USES, where),
        left_out=_texts(entry, "left_out", where),
    )


def _model(entry: Table, sources: Mapping[str, Source], where: str) -> ModelEntry:
    return ModelEntry(
        id=_text(entry, "id", where),
        artifact=_artifact(entry, sources, where),
        origin=_text(entry, "origin", where),
        use=_use(entry, MODEL_USES, where),
    )


def _use(entry: Table, uses: tuple[str, ...], where: str) -> str:
    use = _text(entry, "use", where)
    if use not in uses:
        raise IntabError(f"{where}: use = {use!r}; give one of {', '.join(uses)}.")
    return use


def _artifact(entry: Table, sources: Mapping[str, Source], where: str) -> Artifact:
    named = _texts(entry, "sources", where)
    unknown = [name for name in named if name not in sources]
    if unknown or not named:
        raise IntabError(f"{where}: sources {unknown or 'missing'}; the file defines {sorted(sources)}.")
    sha256 = _text(entry, "sha256", where)
    if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
        raise IntabError(f"{where}: sha256 = {sha256!r}; give 64 hexadecimal digits.")
    nbytes = entry.get("nbytes")
    if not isinstance(nbytes, int):
        raise IntabError(f"{where}: nbytes = {nbytes!r}; give the file's size in bytes.")
    return Artifact(
        file_name=_text(entry, "file_name", where),
        nbytes=nbytes,
        sha256=sha256,
        licence=_text(entry, "licence", where),
        sources=tuple(sources[name] for name in named),
    )


def _text(table: Table, key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise IntabError(f"{where}: {key} = {value!r}; give a text.")
    return value


def _texts(table: Table, key: str, where: str) -> tuple[str, ...]:
    value = table.get(key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise IntabError(f"{where}: {key} = {value!r}; give a list of texts.")
    return tuple(value)
