"""Where the build keeps what it made, by the digest of what it was made from, so that nothing is made twice."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file
from pathlib import Path

from intab.cli.build.fetch import Say
from intab.cli.build.files import combined_digest, digest_of, made_once, replacing
from intab.cli.build.node import INSIDE, run_node, source_of
from intab.errors import IntabError


@dataclass(frozen=True, slots=True)
class Repack:
    """A zip to byte-compile: a wheel, or the standard library. `left_out` are shell patterns of paths to drop."""

    kind: str
    source: Path
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Workshop:
    """The folder `work`, and the Pyodide core whose Python compiles."""

    work: Path
    core: Path
    say: Say

    def project_wheel(self, root: Path) -> Path:
        """The wheel of the project at `root`, built by hatchling from the checkout without network."""
        inputs = [root / "pyproject.toml", root / "README.md", root / "LICENSE", *_sources(root / "pyapp")]
        parts: list[str | bytes] = []
        for path in inputs:
            parts += [str(path.relative_to(root)), path.read_bytes()]

        def make(folder: Path) -> None:
            self.say("building the wheel of intab")
            command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
            result = subprocess.run(command, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, text=True)
            if result.returncode != 0:
                raise IntabError(f"building the wheel of intab failed:\n{result.stderr.strip()[-2000:]}")

        folder = made_once(self.work / "project" / combined_digest(*parts)[:16], make)
        return next(folder.glob("*.whl"))

    def compiled(self, repacks: Sequence[Repack]) -> list[Path]:
        """Each zip byte-compiled by Pyodide's Python, in the order given; one Node run for those not made yet."""
        targets = [self._target(repack) for repack in repacks]
        pending = [(repack, target) for repack, target in zip(repacks, targets, strict=True) if not target.is_file()]
        if pending:
            self.say(f"compiling {', '.join(target.name for _, target in pending)}")
            with tempfile.TemporaryDirectory(prefix=".compile-", dir=_made(self.work)) as name:
                self._compile(pending, Path(name))
        return targets

    def _target(self, repack: Repack) -> Path:
        key = combined_digest(
            *(repack.kind, digest_of(repack.source), "\0".join(repack.left_out), source_of("repack.py")),
            digest_of(self.core / "pyodide.asm.wasm"),
        )
        return self.work / "compiled" / key[:16] / repack.source.name

    def _compile(self, pending: Sequence[tuple[Repack, Path]], folder: Path) -> None:
        jobs = [
            {
                "kind": repack.kind,
                "source": f"/host{repack.source.resolve()}",
                "target": f"/host{folder.resolve() / str(number)}",
                "left_out": repack.left_out,
            }
            for number, (repack, _) in enumerate(pending)
        ]
        jobs_file = folder / "jobs.json"
        jobs_file.write_text(json.dumps(jobs))
        with as_file(INSIDE / "repack.py") as program:
            run_node("repack.mjs", self.core.resolve(), program, jobs_file.resolve(), doing="byte-compiling")
        for number, (_, target) in enumerate(pending):
            with replacing(target) as partial:
                (folder / str(number)).replace(partial)


def _sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
