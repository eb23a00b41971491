"""Real headless Chromium through pytest-pyodide: one browser for the session, Pyodide in a worker as in the product.

`selenium` (with `@run_in_pyodide` or `selenium.run_js`) talks to Pyodide in a worker of an isolated page; `page` is a
driver over a fresh profile for tests that drive the site itself, and `site_url` is where that lies.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pytest_pyodide import get_global_config
from pytest_pyodide.runner import BrowserWorkerChromeRunner
from selenium.webdriver import Chrome

from tests.browser.chromium import start_chromium
from tests.browser.main_thread import MainThread, program_of
from tests.browser.proofs import Proofs
from tests.browser.served import load_script, make_served_folder, serve

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
LOAD_TIMEOUT_S = 120

# Now, not in a fixture: run_in_pyodide reads the folder's lock while the test modules are imported.
SERVED = make_served_folder(ROOT)
get_global_config().set_load_pyodide_script("chrome", load_script())


class Runner(BrowserWorkerChromeRunner):
    """pytest-pyodide's runner over Debian's Chromium."""

    script_timeout = LOAD_TIMEOUT_S

    def get_driver(self, jspi: bool = False) -> Chrome:
        return start_chromium(["--enable-features=WebAssemblyExperimentalJSPI"] if jspi else [])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def web_server_main() -> Iterator[tuple[str, int, Path]]:
    """Host, port and log of the server; pytest-pyodide's fixtures ask for it by this name."""
    with serve(SERVED) as port:
        yield "127.0.0.1", port, Path(os.devnull)


@pytest.fixture(scope="session")
def site_url(web_server_main: tuple[str, int, Path]) -> str:
    """The address of the built site, with a slash at its end."""
    host, port, _ = web_server_main
    return f"http://{host}:{port}/site/"


@pytest.fixture(scope="session")
def selenium_session(web_server_main: tuple[str, int, Path]) -> Iterator[Runner]:
    host, port, log = web_server_main
    runner = Runner(server_port=port, server_hostname=host, server_log=log, load_pyodide=True, dist_dir=SERVED)
    try:
        yield runner
    finally:
        runner.quit()


@pytest.fixture(scope="session")
def selenium_module_scope(selenium_session: Runner) -> Runner:
    """The name that pytest-pyodide's Hypothesis helper uses."""
    return selenium_session


@pytest.fixture
def selenium(request: pytest.FixtureRequest, selenium_session: Runner) -> Iterator[Runner]:
    """Pyodide with numpy, pytest and intab, kept from test to test. `driver_timeout` marks a longer wait in seconds."""
    marker = request.node.get_closest_marker("driver_timeout")
    selenium_session.clean_logs()
    with _script_timeout(selenium_session, LOAD_TIMEOUT_S if marker is None else marker.args[0]):
        yield selenium_session
    print(selenium_session.logs)


@pytest.fixture(scope="session")
def proofs(selenium_session: Runner) -> Iterator[Proofs]:
    """Files that the browser can fetch, and modules to import inside Pyodide (tests/browser/inside)."""
    made = Proofs(selenium_session, SERVED)
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture
def in_worker(request: pytest.FixtureRequest, selenium: Runner, proofs: Proofs) -> Callable[..., Any]:
    """Calls functions of the module in tests/browser/inside that the tests name as INSIDE; answers cross as JSON."""
    module = request.module.INSIDE
    return lambda name, *arguments: json.loads(selenium.run_async(program_of(module, name, *arguments)))["result"]


@pytest.fixture(scope="module")
def main_thread(site_url: str, proofs: Proofs) -> Iterator[MainThread]:
    """Pyodide in the main thread of a page of a browser of its own."""
    driver = start_chromium()
    try:
        yield MainThread(driver, site_url.removesuffix("/site/"), proofs)
    finally:
        driver.quit()


@pytest.fixture(params=["worker", "main thread"])
def inside(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """As `in_worker`, in a worker and in a page's main thread."""
    if request.param == "worker":
        call: Callable[..., Any] = request.getfixturevalue("in_worker")
        return call
    return partial(request.getfixturevalue("main_thread").call, request.module.INSIDE)


@pytest.fixture
def page() -> Iterator[Chrome]:
    """A browser of its own, with a fresh profile, for a test that drives the site."""
    driver = start_chromium()
    try:
        yield driver
    finally:
        driver.quit()


@contextmanager
def _script_timeout(runner: Runner, seconds: float) -> Iterator[None]:
    runner.driver.set_script_timeout(seconds)
    yield
    runner.driver.set_script_timeout(LOAD_TIMEOUT_S)
