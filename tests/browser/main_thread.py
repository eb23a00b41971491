"""Pyodide and intab in a page's main thread, in a browser of its own; the tests' usual Pyodide lies in a worker."""

import json
from typing import Any

from selenium.webdriver.remote.webdriver import WebDriver

from tests.browser.proofs import INSIDE, ROOT, WRITE, Proofs
from tests.browser.served import load_script

PAGE = b"<!doctype html><title>main thread</title>"
START = """
const done = arguments[0];
(async () => {{
  {load}
  self.pyodide = pyodide;
  {write}
}})().then(() => done(null), (error) => done(String(error)));
"""
CALL = """
const done = arguments[1];
self.pyodide.runPythonAsync(arguments[0]).then(done, (error) => done(JSON.stringify({ error: String(error) })));
"""


def program_of(module: str, name: str, *arguments: object) -> str:
    """Python that calls a coroutine function of a module in tests/browser/inside; its value is JSON, with "result"."""
    return (
        f"import json\nfrom tests.browser.inside import {module}\n"
        f"json.dumps({{'result': await {module}.{name}(*json.loads({json.dumps(json.dumps(arguments))}))}})"
    )


class MainThread:
    """Calls functions of the modules in tests/browser/inside; what they return crosses as JSON."""

    def __init__(self, driver: WebDriver, host: str, proofs: Proofs) -> None:
        self._driver = driver
        driver.get(host + proofs.serve("main-thread.html", PAGE))
        modules = [WRITE.format(arguments=json.dumps([path, (ROOT / path).read_text()])) for path in INSIDE]
        write = "".join(f"(() => {{ {script} }})();" for script in modules)
        failed = driver.execute_async_script(START.format(load=load_script(), write=write))
        assert failed is None, failed

    def call(self, module: str, name: str, *arguments: object) -> Any:
        """The result of the coroutine function `name`. An exception in it is an AssertionError here."""
        answer = json.loads(self._driver.execute_async_script(CALL, program_of(module, name, *arguments)))
        assert "error" not in answer, answer["error"]
        return answer["result"]
