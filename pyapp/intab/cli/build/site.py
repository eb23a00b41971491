"""From the materials to `build/site/`: the whole build, step by step."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from intab import __version__
from intab.cli.build.fetch import Say
from intab.cli.build.files import digest_of, sweep
from intab.cli.build.lockfile import LockedWheel, pyodide_version, write_lock
from intab.cli.build.materials import Materials, read_materials
from intab.cli.build.publish import publish, remove_others
from intab.cli.build.snapshot import FILE_NAME, check_start, core_snapshot
from intab.cli.build.workshop import Repack, Workshop
from intab.errors import IntabError

CORE_FILES = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm")
LIBRARY = "python_stdlib.zip"
LOCK = "pyodide-lock.json"
# The desktop commands have no use in a page.
LEFT_OUT_OF_INTAB = ("intab/cli/*",)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a checkout keeps what the build reads and writes."""

    root: Path

    @property
    def core(self) -> Path:
        return self.root / "node_modules" / "pyodide"

    @property
    def web(self) -> Path:
        return self.root / "web"

    @property
    def work(self) -> Path:
        return self.root / "build" / "work"

    @property
    def site(self) -> Path:
        return self.root / "build" / "site"


@dataclass(frozen=True, slots=True)
class Wheels:
    """The wheels of the site: the lock's, and intab's own, each as it will be served."""

    packages: tuple[LockedWheel, ...]
    project: Path


def build_site(layout: Layout, say: Say) -> Path:
    """Build the site of a checkout and return its folder.

    Only what changed is made again. The manifest, `site.json`, is written last: a site that has one is whole.
    Raises IntabError when the set-up is not complete or a step fails.
    """
    start = time.monotonic()
    sweep(layout.work)
    materials = read_materials(layout.root)
    workshop = Workshop(layout.work, layout.core, say)
    _check_inputs(layout, materials)

    library, wheels = _compiled(layout, materials, workshop)
    files = _core_files(layout, library, wheels)
    changed = publish(layout.site, files)
    snapshot = core_snapshot(workshop, layout.site / "pyodide")
    rest = {f"pyodide/{FILE_NAME}": snapshot} | _web_files(layout) | _model_files(materials)
    changed += publish(layout.site, rest)
    manifest = _manifest(layout, materials, wheels)
    if any(address.startswith("pyodide/") for address in changed):
        _check_site(layout, materials, say)
    addresses = {**files, **rest, "site.json": manifest}
    changed += remove_others(layout.site, addresses)
    changed += publish(layout.site, {"site.json": manifest})

    nbytes = sum(path.stat().st_size for path in layout.site.rglob("*") if path.is_file())
    say(f"{layout.site}: {len(changed)} files changed, {nbytes / 1e6:.1f} MB, {time.monotonic() - start:.1f} s")
    return layout.site


def _check_inputs(layout: Layout, materials: Materials) -> None:
    needed = [layout.core / name for name in (*CORE_FILES, LIBRARY, LOCK)]
    needed += [materials.wheel_path(entry) for entry in materials.wheels]
    needed += [materials.model_path(entry) for entry in materials.site_models]
    for path in needed:
        if not path.is_file():
            raise IntabError(f"{path} is missing: run python3 scripts/setup.py first.")


def _compiled(layout: Layout, materials: Materials, workshop: Workshop) -> tuple[Path, Wheels]:
    """The standard library and the wheels, byte-compiled by Pyodide's Python."""
    entries = [entry for entry in materials.wheels if entry.use != "tests"]
    published = [materials.wheel_path(entry) for entry in entries]
    library, project, *served = workshop.compiled(
        [
            Repack("library", layout.core / LIBRARY),
            Repack("wheel", workshop.project_wheel(layout.root), LEFT_OUT_OF_INTAB),
            *(Repack("wheel", path, entry.left_out) for path, entry in zip(published, entries, strict=True)),
        ]
    )
    pairs = zip(published, served, strict=True)
    return library, Wheels(tuple(LockedWheel(old, new, old.name) for old, new in pairs), project)


def _core_files(layout: Layout, library: Path, wheels: Wheels) -> dict[str, Path | bytes]:
    lock = layout.work / LOCK
    layout.work.mkdir(parents=True, exist_ok=True)
    write_lock(lock, core=layout.core, wheels=wheels.packages)
    files: dict[str, Path | bytes] = {f"pyodide/{name}": layout.core / name for name in CORE_FILES}
    files |= {f"pyodide/{LIBRARY}": library, f"pyodide/{LOCK}": lock}
    files |= {f"pyodide/{wheel.address}": wheel.served for wheel in wheels.packages}
    files[f"wheels/{wheels.project.name}"] = wheels.project
    return files


def _web_files(layout: Layout) -> dict[str, Path | bytes]:
    paths = (path for path in sorted(layout.web.rglob("*")) if path.is_file())
    return {path.relative_to(layout.web).as_posix(): path for path in paths if not path.name.endswith(".d.ts")}


def _model_files(materials: Materials) -> dict[str, Path | bytes]:
    return {f"models/{entry.path}": materials.model_path(entry) for entry in materials.site_models}


def _manifest(layout: Layout, materials: Materials, wheels: Wheels) -> bytes:
    """`site.json`: what the worker reads first. Addresses are relative to it."""
    snapshot = layout.site / "pyodide" / FILE_NAME
    manifest = {
        "intab": __version__,
        "pyodide": {
            "version": pyodide_version(layout.core),
            "base": "./pyodide/",
            "lock": f"./pyodide/{LOCK}",
            "snapshot": {
                "url": f"./pyodide/{FILE_NAME}",
                "nbytes": snapshot.stat().st_size,
                "sha256": digest_of(snapshot),
            },
        },
        "wheels": [f"./wheels/{wheels.project.name}"],
        "packages": [entry.name for entry in materials.wheels if entry.use == "start"],
        "on_demand": [entry.name for entry in materials.wheels if entry.use == "site"],
        "models": {
            entry.id: {
                "url": f"./models/{entry.path}",
                "nbytes": entry.artifact.nbytes,
                "sha256": entry.artifact.sha256,
                "licence": entry.artifact.licence,
                "source": entry.origin,
            }
            for entry in materials.site_models
        },
    }
    return (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()


def _check_site(layout: Layout, materials: Materials, say: Say) -> None:
    """Start the published core with its snapshot and import every package of the lock."""
    core = layout.site / "pyodide"
    lock = json.loads((core / LOCK).read_text(encoding="utf-8"))["packages"]
    imports = [name for package in lock.values() for name in package["imports"] if not name.startswith("_")]
    names = [entry.name for entry in materials.wheels if entry.use != "tests"]
    say(f"starts under Node: {check_start(core, core / FILE_NAME, packages=names, imports=imports)}")
