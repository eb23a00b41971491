"""Where bytes come from, in a browser too (with a stand-in for JavaScript where that is asked for)."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from intab.errors import DownloadError
from intab.media.sources import name_of, read_bytes


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = self.path == "/picture"
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(b"bytes" if found else b"")

    def log_message(self, format: str, *values: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Answers) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_an_address_on_the_desktop(server: str) -> None:
    assert bytes(asyncio.run(read_bytes(f"{server}/picture"))) == b"bytes"
    with pytest.raises(DownloadError, match="could not be fetched"):
        asyncio.run(read_bytes(f"{server}/nothing"))


def test_names_for_messages() -> None:
    assert name_of("a/b.png") == "a/b.png"
    assert name_of(b"12345") == "5 bytes"
    assert name_of(3.5) == "float"
