"""The development environment: .venv from requirements-dev.lock, node_modules from package-lock.json files."""

import platform
import sys
from pathlib import Path

from prepare.steps import (
    NODE_MODULES,
    ROOT,
    VENV,
    VENV_PYTHON,
    SetupError,
    digest_of_files,
    is_stamped,
    run,
    say,
    stamping,
)

PYTHON_LOCK = ROOT / "requirements-dev.lock"
PEERS = ROOT / "scripts" / "benchmark"
BUNDLED = ("litert.js", "tensorflow.js")  # scripts of the bench that import packages by name
PIP_INSTALL = (str(VENV_PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")


def make_venv() -> None:
    """`.venv` with the tools of requirements-dev.lock, no more and no less."""
    digest = digest_of_files([PYTHON_LOCK], sys.base_prefix, platform.python_version())
    if is_stamped(VENV, digest) and VENV_PYTHON.exists():
        return
    say(f"  making {VENV.name} from {PYTHON_LOCK.name} (a few minutes the first time)")
    # --clear: what an interrupted or older run left may be anything. By the base interpreter, since this may run in
    # the very .venv that is about to be made anew.
    python = getattr(sys, "_base_executable", sys.executable)
    run([python, "-m", "venv", "--clear", VENV], doing="making .venv (on Debian: python3-venv)")
    with stamping(VENV, digest):
        run([*PIP_INSTALL, "--requirement", PYTHON_LOCK], doing="installing the development tools")


def install_intab() -> None:
    """The project itself into `.venv`, editable, so that `.venv/bin/intab` is there."""
    command = VENV / "bin" / "intab"
    digest = digest_of_files([ROOT / "pyproject.toml"])
    if is_stamped(VENV / "bin", digest) and command.exists():
        return
    say(f"  installing intab into {VENV.name}, editable")
    with stamping(VENV / "bin", digest):
        run([*PIP_INSTALL, "--no-build-isolation", "--editable", ROOT], doing="installing intab into .venv")
        if not command.exists():
            raise SetupError(f"intab was installed, and {command} is not there: check [project.scripts].")


def install_node_modules() -> None:
    """The Pyodide core and TypeScript, exactly as package-lock.json has them."""
    _install_packages(ROOT)


def install_peers() -> None:
    """What intab is measured against, exactly as the lock beside the bench has it. Only the bench needs them."""
    _install_packages(PEERS)
    sources = [PEERS / "page" / name for name in BUNDLED]
    bundles = PEERS / NODE_MODULES.name / ".bundles"
    digest = digest_of_files(sorted((PEERS / "page").glob("*.js")))
    if is_stamped(bundles, digest):
        return
    esbuild = PEERS / NODE_MODULES.name / "esbuild" / "bin" / "esbuild"
    command: list[str | Path] = [
        "node",
        esbuild,
        *sources,
        "--bundle",
        "--format=iife",
        "--log-level=error",
        f"--outdir={bundles}",
    ]
    run(command, doing="bundling the bench's scripts with their packages")
    with stamping(bundles, digest):
        pass


def _install_packages(folder: Path) -> None:
    installed, lock = folder / NODE_MODULES.name, folder / "package-lock.json"
    digest = digest_of_files([lock, folder / "package.json"])
    if is_stamped(installed, digest):
        return
    say(f"  installing {installed.relative_to(ROOT)} from {lock.relative_to(ROOT)}")
    command = ["npm", "ci", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts"]
    run(command, doing=f"installing what {lock.relative_to(ROOT)} names")
    with stamping(installed, digest):
        pass
