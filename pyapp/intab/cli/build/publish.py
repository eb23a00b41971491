"""Put the finished files at their addresses in the site."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from intab.cli.build.files import digest_of, replacing


def publish(site: Path, files: Mapping[str, Path | bytes]) -> list[str]:
    """Make `site` hold each file at its address; return the addresses that changed. What is right stays untouched."""
    changed = []
    for address, content in files.items():
        target = site / address
        if not _holds(target, content):
            with replacing(target) as partial:
                if isinstance(content, bytes):
                    partial.write_bytes(content)
                else:
                    shutil.copyfile(content, partial)
            changed.append(address)
    return changed


def remove_others(site: Path, addresses: Iterable[str]) -> list[str]:
    """Remove every file of the site that is not at one of the addresses, and the folders that are empty then."""
    kept = {site / address for address in addresses}
    removed = []
    for path in sorted(site.rglob("*"), reverse=True):  # files before the folders they lie in
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in kept:
            path.unlink()
            removed.append(str(path.relative_to(site)))
    return removed


def _holds(target: Path, content: Path | bytes) -> bool:
    if not target.is_file():
        return False
    if isinstance(content, bytes):
        return target.read_bytes() == content
    return target.stat().st_size == content.stat().st_size and digest_of(target) == digest_of(content)
