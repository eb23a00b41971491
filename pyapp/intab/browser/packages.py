"""Packages that the site carries and that are loaded when first needed, such as Pillow."""

from intab.browser._js import describe, door
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
    try:
        await way.pyodide.loadPackage(way.to_js(missing))
    except way.exception as error:
        raise DownloadError(
            f"{', '.join(missing)}: the package could not be loaded ({describe(error)}). "
            "Check the connection; if the page never had it, build the site with it."
        ) from error
    still_missing = [name for name in missing if not hasattr(loaded, name)]
    if still_missing:
        # loadPackage only writes a line to the console when a download fails, so its word is checked.
        raise DownloadError(
            f"{', '.join(still_missing)}: the package could not be loaded. "
            "Check the connection; if the page never had it, build the site with it."
        )
