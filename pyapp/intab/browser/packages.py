"""Packages that the site carries and that are loaded when first needed, such as Pillow."""

import asyncio
from collections.abc import Sequence

from intab.browser._js import describe, door
from intab.browser.proxies import proxied
from intab.errors import DownloadError

# Pyodide mixes up the callbacks of loads that overlap.
_one_at_a_time = asyncio.Lock()


async def load_packages(*names: str) -> None:
    """Load `names` from the site's own folder into this Python; those already there cost nothing.

    Raises DownloadError when one cannot be fetched or is not part of the site.
    """
    async with _one_at_a_time:
        missing = _absent(names)
        if missing:
            await _load(missing)


def _absent(names: Sequence[str]) -> list[str]:
    return [name for name in names if not hasattr(door().pyodide.loadedPackages, name)]


async def _load(missing: Sequence[str]) -> None:
    way = door()
    # loadPackage tells failures to a callback only; what it does is of no interest to a visitor's console.
    failures: list[str] = []
    try:
        with proxied(failures.append) as told_failure, proxied(_nothing) as told_step:
            options = {"errorCallback": told_failure, "messageCallback": told_step}
            await way.pyodide.loadPackage(way.to_js(list(missing)), way.to_js(options))
    except way.exception as error:
        failures.append(describe(error))
    if not failures:
        failures += [f"{name} is not there afterwards" for name in _absent(missing)]
    if failures:
        raise DownloadError(
            f"{', '.join(missing)}: the package could not be loaded ({'; '.join(failures)}). "
            "Check the connection; if the page never had it, build the site with it."
        )


def _nothing(message: str) -> None:
    """Leave out a step of the loader."""
