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


def make_venv() -> None:
    """`.venv` with exact versions of the tools and the project installed editable, so `.venv/bin/intab` is there."""
    digest = digest_of_files([PYTHON_LOCK, ROOT / "pyproject.toml"], sys.executable, platform.python_version())
    if is_stamped(VENV, digest) and VENV_PYTHON.exists():
        return
    say(f"  making {VENV.name} from {PYTHON_LOCK.name} (a few minutes the first time)")
    # --clear: what an interrupted or older run left may be anything.
    run([sys.executable, "-m", "venv", "--clear", VENV], doing="making .venv (on Debian: python3-venv)")
    pip = [VENV_PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    with stamping(VENV, digest):
        run([*pip, "--requirement", PYTHON_LOCK], doing="installing the development tools")
        run([*pip, "--no-build-isolation", "--editable", ROOT], doing="installing intab into .venv")
        if not (VENV / "bin" / "intab").exists():
            raise SetupError("intab was installed, and .venv/bin/intab is not there: check [project.scripts].")


def install_node_modules() -> None:
    """The Pyodide core, TypeScript and the peer to measure against, exactly as package-lock.json has them."""
    digest = digest_of_files([NODE_LOCK, ROOT / "package.json"])
    if is_stamped(NODE_MODULES, digest):
        return
    say(f"  installing {NODE_MODULES.name} from {NODE_LOCK.name}")
    run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], doing="installing what package-lock.json names")
    with stamping(NODE_MODULES, digest):
        pass
