"""A `pyodide-lock.json` of what really lies on the site, through pyodide-lock's own models."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pyodide_lock import PyodideLockSpec
from pyodide_lock.spec import InfoSpec, PackageSpec
from pyodide_lock.utils import parse_top_level_import_name

from intab.cli.build.files import digest_of
from intab.errors import IntabError


@dataclass(frozen=True, slots=True)
class LockedWheel:
    """A wheel as it was published, as it lies on the site, and its address as the lock gives it."""

    published: Path
    served: Path
    address: str


def write_lock(target: Path, *, core: Path, wheels: Iterable[LockedWheel]) -> None:
    """Write the lock for `wheels` over the Pyodide core in the folder `core`.

    Raises IntabError when a wheel needs another that is not among them.
    """
    info = core_info(core)
    packages = {spec.name: spec for spec in (_package(wheel, info) for wheel in wheels)}
    for spec in packages.values():
        lacking = [name for name in spec.depends if name not in packages]
        if lacking:
            raise IntabError(f"{spec.file_name} needs {', '.join(lacking)}: add them to wheels/wheels.lock.toml.")
    PyodideLockSpec(info=info, packages=packages).to_json(target, indent=1)


def core_info(core: Path) -> InfoSpec:
    """Platform, ABI and versions, from the lock and the package.json that the npm package of the core carries."""
    info = json.loads((core / "pyodide-lock.json").read_text(encoding="utf-8"))["info"]
    return InfoSpec(**info, version=pyodide_version(core))


def pyodide_version(core: Path) -> str:
    return str(json.loads((core / "package.json").read_text(encoding="utf-8"))["version"])


def _package(wheel: LockedWheel, info: InfoSpec) -> PackageSpec:
    metadata = _metadata(wheel.published)
    return PackageSpec(
        name=canonicalize_name(metadata["Name"]),
        version=metadata["Version"],
        file_name=wheel.address,
        install_dir="site",
        sha256=digest_of(wheel.served),
        # Read from the published wheel: in the one served, modules are .pyc files, which this function passes over.
        imports=parse_top_level_import_name(wheel.published) or [],
        depends=_depends(metadata.get_all("Requires-Dist", []), info),
    )


def _metadata(wheel: Path) -> Message:
    with ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return HeaderParser().parsestr(archive.read(name).decode())


def _depends(requirements: Iterable[str], info: InfoSpec) -> list[str]:
    """The names that apply in Pyodide; extras are nobody's need here."""
    here = {
        "extra": "",
        "os_name": "posix",
        "platform_machine": info.arch,
        "platform_system": "Emscripten",
        "python_full_version": info.python,
        "python_version": ".".join(info.python.split(".")[:2]),
        "sys_platform": "emscripten",
    }
    parsed = map(Requirement, requirements)
    return sorted(canonicalize_name(r.name) for r in parsed if r.marker is None or r.marker.evaluate(here))
