"""Bring what the lock files of a checkout name into its cache: `python -m intab.cli.build.materials --root .`

`scripts/setup.py` runs this in the development environment.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from intab.cli.build.fetch import NetworkTransport, Say, fetch
from intab.cli.build.files import sweep
from intab.cli.build.locks import ModelEntry, WheelEntry, read_models_lock, read_wheels_lock
from intab.errors import IntabError


@dataclass(frozen=True, slots=True)
class Materials:
    """The wheels and models of a checkout, and the cache that holds them."""

    cache: Path
    wheels: tuple[WheelEntry, ...]
    models: tuple[ModelEntry, ...]

    @property
    def site_models(self) -> tuple[ModelEntry, ...]:
        """The models that the site ships."""
        return tuple(entry for entry in self.models if entry.use == "site")

    def wheel_path(self, entry: WheelEntry) -> Path:
        return self.cache / "wheels" / entry.artifact.file_name

    def model_path(self, entry: ModelEntry) -> Path:
        return self.cache / "models" / entry.path


def read_materials(root: Path) -> Materials:
    """What the lock files below `root` name. Raises IntabError when one cannot be read."""
    return Materials(
        cache=root / ".cache",
        wheels=read_wheels_lock(root / "wheels" / "wheels.lock.toml"),
        models=read_models_lock(root / "models.lock.toml"),
    )


def bring(materials: Materials, say: Say) -> int:
    """Fetch what the cache lacks; return how many files were fetched. Raises DownloadError."""
    sweep(materials.cache)
    transport = NetworkTransport(materials.cache / "packages", say)
    wanted = [(entry.artifact, materials.wheel_path(entry)) for entry in materials.wheels]
    wanted += [(entry.artifact, materials.model_path(entry)) for entry in materials.models]
    fetched = 0
    for artifact, path in wanted:
        if fetch(artifact, path, transport=transport, say=say):
            fetched += 1
            say(f"{path.relative_to(materials.cache)}  {artifact.nbytes / 1e6:.1f} MB, sha256 checked")
    return fetched


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Bring the wheels and models that the lock files name.")
    parser.add_argument("--root", type=Path, required=True, help="the checkout")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    try:
        materials = read_materials(options.root)
        fetched = bring(materials, lambda line: print(f"  {line}", flush=True))
    except IntabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    count = len(materials.wheels) + len(materials.models)
    print(f"  {count} wheels and models in place, {fetched} fetched, {time.monotonic() - start:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
