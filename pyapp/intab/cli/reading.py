"""Read the text in a picture as a visitor does: the site's own page in headless Chromium, given a file.

`python -m intab.cli.reading --image FILE [--json]`; scripts/run.py calls it.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from intab.cli.checkout import built_site
from intab.cli.chromium import chromium
from intab.cli.serve import serving
from intab.errors import BackendUnavailableError, IntabError, MediaError

READY_SECONDS = 120
READ_SECONDS = 300
POLL_SECONDS = 0.2
STATE = """
const failure = document.getElementById("error");
const message = ["error-title", "error-message", "error-trace"].map((id) => document.getElementById(id).textContent);
return { error: failure.hidden ? null : message.filter(Boolean).join(": "), ...window.intab };
"""


def read_picture(driver: Chrome, address: str, picture: Path) -> dict[str, Any]:
    """What the page at `address` says of `picture`: `started`, `opened` and `read` of intab.browser.messages.

    Raises IntabError with the page's own words when it shows an error, or when it takes minutes.
    """
    driver.get(address)
    _wait(driver, lambda state: state.get("opened"), READY_SECONDS, "to get ready")
    driver.find_element(By.ID, "file").send_keys(str(picture.resolve()))
    return _wait(driver, lambda state: state.get("read"), READ_SECONDS, f"to read {picture.name}")


def _wait(driver: Chrome, done: Any, seconds: float, doing: str) -> dict[str, Any]:
    """The page's state once `done` holds of it."""

    def look(driver: Chrome) -> dict[str, Any] | None:
        state: dict[str, Any] = driver.execute_script(STATE)
        return state if state["error"] or done(state) else None

    try:
        state = WebDriverWait(driver, seconds, POLL_SECONDS).until(look)
    except TimeoutException as error:
        raise IntabError(f"the page took more than {seconds} s {doing}. Try a smaller picture.") from error
    except WebDriverException as error:
        raise BackendUnavailableError(f"the browser went away: {(error.msg or '').strip()}") from error
    assert state is not None  # until() returns what is true
    if state["error"]:
        raise IntabError(state["error"])
    return state


def report_lines(state: Mapping[str, Any]) -> Iterator[str]:
    """The answer and its times for people: each line with its score, then the stages apart."""
    started, opened, read = state["started"], state["opened"], state["read"]
    marks, timings = started["marks"], read["timings"]
    for line in read["lines"]:
        yield f"{line['score']:.3f}  {line['text']}"
    if not read["lines"]:
        yield "(no text in this picture)"
    yield ""
    rows = (
        ("start", marks["intab"], f"navigation to `import intab` done; snapshot: {started['snapshot']}"),
        ("load", opened["load_ms"], "fetch and parse the models"),
        ("compile", opened["compile_ms"], "optimise, generate, instantiate"),
        ("open", timings["open_ms"], "decode the picture"),
        ("detect", timings["detect_ms"], "run the model that finds lines"),
        ("recognise", timings["recognise_ms"], f"run the model that reads {len(read['lines'])} lines"),
        ("pre/post", timings["around_ms"], "picture work before, between and after"),
        ("whole job", timings["total_ms"], "picture in, text out"),
    )
    for name, value, what in rows:
        yield f"{name:<10} {value:8.0f} ms  {what}"
    adapter = f" on {opened['adapter']}" if opened["adapter"] else ""
    yield f"{'back end':<10} {opened['backend']}{adapter}, {opened['threads']} thread(s)"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="reading", description=__doc__)
    parser.add_argument("--image", type=Path, required=True, metavar="FILE", help="a picture file")
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead")
    options = parser.parse_args(arguments)
    try:
        if not options.image.is_file():
            raise MediaError(f"{options.image}: there is no such file. Check the path.")
        with serving(built_site()) as address, chromium() as driver:
            state = read_picture(driver, address, options.image)
    except IntabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(state, ensure_ascii=False) if options.json else "\n".join(report_lines(state)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
