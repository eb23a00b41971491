"""What the machine itself must have: Python, Node with npm, Chromium with chromedriver, a font with Chinese."""

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prepare.steps import SetupError, output_of, run, say

LEAST_PYTHON = (3, 11)
LEAST_NODE = 20
FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/Library/Fonts")
CHINESE_FONTS = ("NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "wqy-zenhei.ttc", "wqy-microhei.ttc")


@dataclass(frozen=True, slots=True)
class Need:
    """Something the machine lacks, and the Debian packages that bring it."""

    what: str
    packages: tuple[str, ...]


def check_python() -> None:
    if sys.version_info < LEAST_PYTHON:
        raise SetupError(
            f"Python {sys.version.split()[0]} is too old: intab needs {LEAST_PYTHON[0]}.{LEAST_PYTHON[1]} or newer."
        )


def check_node() -> None:
    version = output_of(["node", "--version"])
    if version is None or int(version.lstrip("v").split(".")[0]) < LEAST_NODE:
        raise SetupError(f"Node {version or 'is missing'}: intab needs Node {LEAST_NODE} or newer, with npm.")
    if shutil.which("npm") is None:
        raise SetupError("npm is missing: install it beside Node.")


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def find_font() -> Path | None:
    """A font file with Chinese characters, the same one on every machine that has several."""
    folders = [Path(folder).expanduser() for folder in FONT_FOLDERS]
    for name in CHINESE_FONTS:
        for folder in folders:
            found = next(iter(sorted(folder.rglob(name))), None) if folder.is_dir() else None
            if found is not None:
                return found
    return None


def missing() -> list[Need]:
    """What the machine lacks, in the order people notice it."""
    needs = []
    if find_chromium() is None:
        needs.append(Need("Chromium", ("chromium",)))
    if shutil.which("chromedriver") is None:
        needs.append(Need("chromedriver", ("chromium-driver",)))
    if find_font() is None:
        needs.append(Need("a font with Chinese characters (the tests draw some)", ("fonts-noto-cjk",)))
    return needs


def install_missing() -> None:
    """Install through apt what is missing, as root; otherwise say what to install."""
    needs = missing()
    if not needs:
        return
    packages = [package for need in needs for package in need.packages]
    lacking = ", ".join(need.what for need in needs)
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise SetupError(
            f"This machine lacks {lacking}. As root on Debian or Ubuntu: apt-get install {' '.join(packages)}"
        )
    say(f"  installing {' '.join(packages)} with apt-get (the machine lacks {lacking})")
    _apt_install(packages)
    still = missing()
    if still:
        raise SetupError(f"apt-get ran, and this machine still lacks {', '.join(need.what for need in still)}.")


def _apt_install(packages: Sequence[str]) -> None:
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update"], doing="refreshing the list of packages", env=quiet)
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    run(command, doing=f"installing {' '.join(packages)}", env=quiet)
