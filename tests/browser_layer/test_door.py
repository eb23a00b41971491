"""The seam itself, files, packages, features and the count of what is open."""

import asyncio

import pytest

from intab.browser import feature, files, packages, proxies
from intab.browser._js import door, in_browser, is_js
from intab.errors import BackendUnavailableError, DownloadError, MediaError
from tests.browser_layer.stand_in import Blob, StandIn, Uint8Array


def test_on_the_desktop_there_is_no_door():
    assert not in_browser()
    assert not is_js(Blob(b""), "Blob")
    with pytest.raises(BackendUnavailableError, match="does not run in a browser"):
        door()


def test_proxies_are_counted_while_they_live(way: StandIn):
    with proxies.proxied(lambda: 5) as function:
        assert function.call() == 5
        assert proxies.live() == {"proxy": 1}
        assert way.proxies == 1
    assert proxies.live() == {}
    proxy = proxies.Proxy(print)
    proxy.destroy()
    proxy.destroy()
    assert proxies.live() == {}


@pytest.mark.parametrize("value", [Blob(b"abc", "a.png"), Uint8Array(bytearray(b"abc"))])
def test_files_and_buffers_are_read(way: StandIn, value: object):
    assert files.is_file(value)
    assert asyncio.run(files.read_bytes(value)) == b"abc"


def test_names_for_messages(way: StandIn):
    assert files.name_of(Blob(b"", "a.png")) == "a.png"
    assert files.name_of(Blob(b"")) == "Blob"


def test_files_that_cannot_be_read(way: StandIn):
    with pytest.raises(MediaError, match=r"a\.png: the browser could not read it \(NotFoundError"):
        asyncio.run(files.read_bytes(Blob(b"", "a.png", gone=True)))
    with pytest.raises(MediaError, match="int: this is not a file"):
        asyncio.run(files.read_bytes(3))
    assert not files.is_file(b"abc")


def test_packages_load_when_first_needed(way: StandIn):
    way.available = {"pillow"}
    asyncio.run(packages.load_packages("pillow"))
    way.available = set()
    asyncio.run(packages.load_packages("pillow"))  # there already
    with pytest.raises(DownloadError, match=r"^scipy: .* could not be loaded \(No known package with name 'scipy'\)"):
        asyncio.run(packages.load_packages("pillow", "scipy"))
    with pytest.raises(DownloadError, match=r"could not be loaded \(silent is not there afterwards\)"):
        asyncio.run(packages.load_packages("silent"))


def test_features_are_asked_of_the_scope(way: StandIn):
    assert feature.features() == feature.Features(True, 2, "stand-in")
