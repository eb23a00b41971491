"""Serve the built site on this machine, with the headers that isolate its pages."""

import sys
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from intab.cli.checkout import built_site
from intab.errors import IntabError

# Isolation gives pages shared memory; no-cache has browsers ask whether a file changed since they fetched it.
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cache-Control": "no-cache",
}
KINDS = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".gz": "application/octet-stream",
}
PORT = 8000
STOP_SECONDS = 0.02  # how soon the server notices that it is to stop
PIECE_NBYTES = 1 << 20
MOUNT = "/-/"
"""Where a server has what is not part of the site: `/-/NAME/...` is the folder or file mounted as NAME."""


class Handler(SimpleHTTPRequestHandler):
    """The site's files, what is mounted beside them, and PUT to the one file named for it."""

    protocol_version = "HTTP/1.1"  # one connection for many files
    extensions_map = SimpleHTTPRequestHandler.extensions_map | KINDS

    def __init__(self, *arguments: object, site: Path, mounts: Mapping[str, Path], put: Path | None) -> None:
        self.mounts = mounts
        self.put = put
        super().__init__(*arguments, directory=str(site))  # type: ignore[arg-type]

    def translate_path(self, path: str) -> str:
        address = urllib.parse.urlsplit(path).path
        if not address.startswith(MOUNT):
            return super().translate_path(path)
        name, _, rest = address.removeprefix(MOUNT).partition("/")
        mounted = self.mounts.get(name)
        if mounted is None:
            return super().translate_path("/-/nothing")
        if not rest:
            return str(mounted)
        # The base class takes out "..", so that nothing outside the mounted folder can be named.
        inside = Path(super().translate_path("/" + rest)).relative_to(self.directory)
        return str(mounted / inside)

    def do_PUT(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.put is None or self.path != f"{MOUNT}{self.put.name}" or not length.isdigit():
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        with self.put.open("wb") as target:
            left_nbytes = int(length)
            while piece := self.rfile.read(min(left_nbytes, PIECE_NBYTES)):
                target.write(piece)
                left_nbytes -= len(piece)
        self.send_response(HTTPStatus.NO_CONTENT)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass  # a line for each file would hide what the command prints


class Server(ThreadingHTTPServer):
    """A server that takes it calmly when a browser closes in mid-download."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextmanager
def serving(
    site: Path, *, mounts: Mapping[str, Path] | None = None, put: Path | None = None, port: int = 0
) -> Iterator[str]:
    """Serve `site` on a port of this machine (0: any free one); yields the address, with a slash at its end.

    mounts: NAME -> file or folder, found under `-/NAME`. put: a file that a page may write, as `-/` and its name.
    """
    handler = partial(Handler, site=site, mounts=mounts or {}, put=put)
    with Server(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(STOP_SECONDS,), name="site", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def main() -> int:
    """`python -m intab.cli.serve`: build and serve the site of the checkout until interrupted."""
    try:
        with serving(built_site(), port=PORT) as address:
            print(f"serving {address} (Ctrl+C ends it)", flush=True)
            threading.Event().wait()
    except KeyboardInterrupt:
        return 0
    except (IntabError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
