"""The kernel worker of web/host.html, called from the desktop through a driver."""

from collections.abc import Mapping
from typing import Any

from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver import Chrome

import intab.errors
from intab.errors import BackendUnavailableError, IntabError

CALL = """
const [method, args, done] = arguments;
window.intab.call(method, args).then(done);
"""
PROBE = """
const done = arguments[0];
window.intab.probe().then(done);
"""
STARTED = """
const done = arguments[0];
const wait = () => (window.intab ? window.intab.started.then(done) : setTimeout(wait, 20));
wait();
"""
START_SECONDS = 120
PROBE_SECONDS = 60


class Host:
    """A page with Python up, ready to be called."""

    def __init__(self, driver: Chrome, address: str) -> None:
        """Open the host page of the site at `address`. Raises IntabError when Python does not start there."""
        self._driver = driver
        driver.set_script_timeout(START_SECONDS)
        driver.get(f"{address}host.html")
        self.started: dict[str, Any] = outcome_value(self._wait(STARTED))

    def call(self, method: str, arguments: Mapping[str, Any], *, seconds: float) -> dict[str, Any]:
        """What the worker answers, as in intab.browser.messages. Raises the error that it failed with.

        seconds: how long to wait, since a page that hangs must not hang the command.
        """
        self._driver.set_script_timeout(seconds)
        return outcome_value(self._wait(CALL, method, dict(arguments)))

    def probe(self) -> dict[str, Any]:
        """What the worker says of the device; the page adds what only pages know."""
        self._driver.set_script_timeout(PROBE_SECONDS)
        return outcome_value(self._wait(PROBE))

    def _wait(self, script: str, *arguments: object) -> Any:
        try:
            return self._driver.execute_async_script(script, *arguments)
        except TimeoutException as error:
            seconds = self._driver.timeouts.script
            raise IntabError(f"the browser gave no answer in {seconds:.0f} s. Use a smaller model or input.") from error
        except WebDriverException as error:
            raise BackendUnavailableError(f"the browser went away: {(error.msg or '').strip()}") from error


def outcome_value(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """The value of an outcome of web/host.js, or the error that it carries raised here."""
    error = outcome.get("error")
    if error is None:
        value: dict[str, Any] = outcome["value"]
        return value
    kind = getattr(intab.errors, error["name"], None)
    if isinstance(kind, type) and issubclass(kind, IntabError):
        raise kind(error["message"])
    raise IntabError("\n".join(filter(None, (error["message"], error["trace"]))))
