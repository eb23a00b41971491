"""Models whose weights lie in files beside them: such a file is opened when the first tensor names it.

Readers are not asynchronous and fetching is, so reading begins again once a file has come; it takes milliseconds,
since no weights are touched, and there is mostly one file.
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from intab import formats
from intab.browser import in_browser, net
from intab.errors import ModelFormatError
from intab.graph.ir import Graph
from intab.graph.storage import Storage
from intab.runtime.source import Progress, Source, open_source

MOST_FILES = 64


class _NotOpened(Exception):
    """A tensor named a file that is still to be opened."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


async def read_with_files_beside(
    storage: Storage, source: Source, opened: list[Storage], sizes: Mapping[str, int] | None, progress: Progress
) -> Graph:
    """The graph of a model; the files beside it that it needs are added to `opened`.

    Only a URL or a path has files beside it. Raises what reading and opening raise, and ModelFormatError for a
    model in more than 64 files.
    """
    if not isinstance(source, (str, Path)):
        return formats.read(storage, dims=sizes)
    files: dict[str, Storage] = {}

    def resolve(location: str) -> Storage:
        if location not in files:
            raise _NotOpened(location)
        return files[location]

    while len(files) <= MOST_FILES:
        try:
            return formats.read(storage, resolve=resolve, dims=sizes)
        except _NotOpened as missing:
            files[missing.location] = await open_source(_beside(source, missing.location), progress)
            opened.append(files[missing.location])
    raise ModelFormatError(f"{storage.name}: its weights lie in more than {MOST_FILES} files. Export it with fewer.")


def _beside(source: str | Path, location: str) -> str | Path:
    """Where the file `location` lies: relative to the model's folder, as the reader has made sure."""
    if isinstance(source, Path) or not in_browser():
        return Path(source).parent / location
    return f"{net.absolute(source).partition('?')[0].rpartition('/')[0]}/{quote(location)}"
