"""Packages that the site carries and that are loaded when first needed, such as Pillow."""

from intab.browser._js import describe, door
from intab.browser.proxies import proxied
from intab.errors import DownloadError


async def load_packages(*names: str) -> None:
    """Load `names` from the site's own folder into this Python; those already there cost nothing.

    Raises DownloadError when one cannot be fetched or is not part of the site.
    """
    way = door()
    loaded = way.pyodide.loadedPackages
    missing = [name for name in names if not hasattr(loaded, name)]
    if not missing:
        return
    # loadPackage tells failures to a callback only; what it does is of no interest to a visitor's console.
    failures: list[str] = []
    try:
        with proxied(failures.append) as told_failure, proxied(_nothing) as told_step:
            options = {"errorCallback": told_failure, "messageCallback": told_step}
            await way.pyodide.loadPackage(way.to_js(missing), way.to_js(options))
    except way.exception as error:
        failures.append(describe(error))
    failures += [f"{name} is not there afterwards" for name in missing if not failures and not hasattr(loaded, name)]
    if failures:
        raise DownloadError(
            f"{', '.join(missing)}: the package could not be loaded ({'; '.join(failures)}). "
            "Check the connection; if the page never had it, build the site with it."
        )


def _nothing(message: str) -> None:
    """Leave out a step of the loader."""
