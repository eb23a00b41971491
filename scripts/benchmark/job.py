"""The main job as a visitor meets it: how soon Python is up in a fresh browser, and where a reading's time goes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from intab.cli.chromium import chromium
from intab.cli.reading import read_picture
from intab.cli.serve import serving

FRESH_PROFILES = 5
READINGS = 5
ANSWER_SECONDS = 300
ANSWERED = """
const done = arguments[0];
const look = () => (window.intab.read ? done(window.intab.read.timings) : setTimeout(look, 20));
look();
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading's milliseconds, as the page tells them."""

    open_ms: float
    detect_ms: float
    recognise_ms: float
    around_ms: float
    total_ms: float

    @property
    def around_share(self) -> float:
        """Pre- and post-processing as a part of the job; decoding the picture counts as pre-processing here."""
        return (self.around_ms + self.open_ms) / self.total_ms


@dataclass(frozen=True, slots=True)
class Visit:
    """A page opened in a fresh profile. marks: milliseconds from navigation; readings of one picture, in order."""

    marks: dict[str, float]
    load_ms: float
    compile_ms: float
    threads: int
    readings: tuple[Reading, ...]


def visit(site: Path, picture: Path, *, readings: int = 1) -> Visit:
    """Open the page in a fresh profile and have it read `picture` a few times."""
    with serving(site) as address, chromium() as driver:
        state = read_picture(driver, address, picture)
        seen = [_reading(state["read"]["timings"])]
        for _ in range(readings - 1):
            driver.execute_script("window.intab.read = null")
            driver.find_element(By.ID, "file").send_keys(str(picture.resolve()))
            seen.append(_reading(_wait_for_answer(driver)))
    started, opened = state["started"], state["opened"]
    return Visit(started["marks"], opened["load_ms"], opened["compile_ms"], opened["threads"], tuple(seen))


def visits(site: Path, picture: Path, say: Callable[[str], None]) -> list[Visit]:
    """A visit for each of five fresh profiles; the last one reads the picture several times."""
    made = []
    for number in range(FRESH_PROFILES):
        made.append(visit(site, picture, readings=READINGS if number == FRESH_PROFILES - 1 else 1))
        say(f"fresh profile {number + 1}: import intab done after {made[-1].marks['intab']:.0f} ms")
    return made


def _reading(timings: dict[str, Any]) -> Reading:
    return Reading(**{name: float(timings[name]) for name in Reading.__dataclass_fields__})


def _wait_for_answer(driver: Chrome) -> dict[str, Any]:
    driver.set_script_timeout(ANSWER_SECONDS)
    timings: dict[str, Any] = driver.execute_async_script(ANSWERED)
    return timings
