"""The server that commands drive a browser against."""

import http.client
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from intab.cli.serve import serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "page.mjs").write_text("export {}")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a b.onnx").write_bytes(b"model")
    (tmp_path / "feeds.npz").write_bytes(b"feeds")
    (tmp_path / "secret").write_bytes(b"secret")
    return tmp_path


@pytest.fixture
def connection(folder: Path) -> Iterator[http.client.HTTPConnection]:
    mounts = {"model": folder / "models", "feeds": folder / "feeds.npz"}
    with serving(folder / "site", mounts=mounts, put=folder / "fetches") as address:
        opened = http.client.HTTPConnection(urlsplit(address).netloc, timeout=5)
        yield opened
        opened.close()


def answer(connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None) -> tuple:
    connection.request(method, path, body)
    response = connection.getresponse()
    return response.status, response.read(), response.headers


def test_files_come_with_their_kind_and_the_headers_of_isolation(connection: http.client.HTTPConnection):
    status, body, headers = answer(connection, "GET", "/page.mjs")
    assert (status, body) == (200, b"export {}")
    assert headers["Content-Type"] == "text/javascript"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"


def test_what_is_mounted_is_found(connection: http.client.HTTPConnection):
    assert answer(connection, "GET", "/-/model/a%20b.onnx")[:2] == (200, b"model")
    assert answer(connection, "GET", "/-/feeds")[:2] == (200, b"feeds")


@pytest.mark.parametrize(
    "path", ["/-/model/../secret", "/-/model/%2e%2e/secret", "/../secret", "/-/other/x", "/-/", "/-/model/none.onnx"]
)
def test_nothing_else_is(connection: http.client.HTTPConnection, path: str):
    status, body, _ = answer(connection, "GET", path)
    assert status == 404
    assert b"secret" not in body.replace(path.encode(), b"")


def test_one_file_may_be_put_and_no_other(connection: http.client.HTTPConnection, folder: Path):
    content = bytes(range(256)) * 500
    assert answer(connection, "PUT", "/-/fetches", content)[0] == 204
    assert (folder / "fetches").read_bytes() == content
    assert answer(connection, "GET", "/page.mjs")[0] == 200  # the connection goes on
    for path in ("/-/model/a%20b.onnx", "/page.mjs", "/-/../fetches"):
        assert answer(connection, "PUT", path, b"")[0] == 403
