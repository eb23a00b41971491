"""The development environment: .venv from requirements-dev.lock, node_modules from package-lock.json."""

import platform
import sys

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
NODE_LOCK = ROOT / "package-lock.json"
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
    """The Pyodide core, TypeScript and the peer to measure against, exactly as package-lock.json has them."""
    digest = digest_of_files([NODE_LOCK, ROOT / "package.json"])
    if is_stamped(NODE_MODULES, digest):
        return
    say(f"  installing {NODE_MODULES.name} from {NODE_LOCK.name}")
    run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], doing="installing what package-lock.json names")
    with stamping(NODE_MODULES, digest):
        pass
