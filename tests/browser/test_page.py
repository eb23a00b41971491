"""The page that reads text, driven as a visitor drives it: real files, real models, a real browser."""

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from intab.cli.serve import serving
from tests.browser.chromium import start_chromium

READY_SECONDS = 60
READ_SECONDS = 60
LONGEST_TASK_MS = 50
SITE = Path(__file__).resolve().parents[2] / "build" / "site"
WATCH_TASKS = """
window.longTasks = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.longTasks.push([entry.startTime, entry.duration]);
}).observe({ type: "longtask", buffered: true });
"""
PAGE_LINES = [
    "Region-based segmentation",
    "Let us first determine markers of the coins and the",
    "background. These markers are pixels that we can label",
]


def wait(driver: Chrome, script: str, seconds: float = READ_SECONDS) -> Any:
    """What `script` returns, once that is true. A page that shows an error fails the test with its words."""

    def look(driver: Chrome) -> Any:
        return driver.execute_script(f"return {script}")

    return WebDriverWait(driver, seconds, 0.05).until(look, f"never true: {script}: {shown(driver)}")


def shown(driver: Chrome) -> str:
    return driver.find_element(By.TAG_NAME, "body").text


def get_ready(driver: Chrome, address: str) -> None:
    driver.get(address)
    wait(driver, "window.intab?.opened || !document.getElementById('error').hidden", READY_SECONDS)
    assert driver.find_element(By.ID, "error").text == ""


def give(driver: Chrome, picture: Path) -> None:
    """Choose a file, as the picker would."""
    driver.find_element(By.ID, "file").send_keys(str(picture))


def answer(driver: Chrome) -> list[str]:
    """The lines that the page shows, once it shows an answer."""
    wait(driver, "window.intab.read && !document.body.classList.contains('busy')")
    texts = driver.execute_script("return [...document.querySelectorAll('#lines .text')].map((e) => e.textContent)")
    assert isinstance(texts, list)
    return texts


@pytest.fixture(scope="module")
def driver(site_url: str) -> Iterator[Chrome]:
    """One page for all tests here, ready to read; each picture replaces the one before."""
    opened = start_chromium(["--window-size=1200,900"])
    try:
        opened.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH_TASKS})
        get_ready(opened, site_url)
        yield opened
    finally:
        opened.quit()


@pytest.fixture(autouse=True)
def no_complaints(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing may complain in the console, whatever the test does."""
    yield
    if "driver" in request.fixturenames:
        complaints = [entry["message"] for entry in request.getfixturevalue("driver").get_log("browser")]
        assert complaints == []


def test_a_picture_is_read_and_its_boxes_lie_on_its_lines(driver: Chrome, skimage_picture: Callable[[str], Path]):
    give(driver, skimage_picture("page.png"))
    texts = answer(driver)
    assert texts[:3] == PAGE_LINES
    assert driver.find_element(By.ID, "count").text == f"{len(texts)} lines"
    rectangle = "(e) => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; }"
    boxes = driver.execute_script(f"return [...document.querySelectorAll('#boxes polygon')].map({rectangle})")
    left, top, right, bottom = driver.execute_script(f"return ({rectangle})(document.getElementById('picture'))")
    assert len(boxes) == len(texts)
    # page.png is 384 x 191, its headline spans 3..296 across and 9..36 down.
    scale = (right - left) / 384
    assert bottom - top == pytest.approx(191 * scale, abs=2)
    headline = [left + 3 * scale, top + 9 * scale, left + 296 * scale, top + 36 * scale]
    assert boxes[0] == pytest.approx(headline, abs=6 * scale)
    tops = [box[1] for box in boxes]
    assert tops == sorted(tops), "lines are not in reading order"


def test_nothing_keeps_the_page_from_answering(driver: Chrome, skimage_picture: Callable[[str], Path]):
    """No task over 50 ms on the main thread from first paint on, while a picture is read."""
    give(driver, skimage_picture("page.png"))
    answer(driver)
    paint = driver.execute_script("return performance.getEntriesByName('first-contentful-paint')[0].startTime")
    tasks = driver.execute_script("return window.longTasks")
    assert [task for task in tasks if task[0] > paint and task[1] > LONGEST_TASK_MS] == []


def test_pointing_at_a_line_marks_its_box_and_back(driver: Chrome, skimage_picture: Callable[[str], Path]):
    give(driver, skimage_picture("page.png"))
    answer(driver)
    marked = "return [...document.querySelectorAll('.current')].map((e) => `${e.tagName} ${e.dataset.line}`)"
    ActionChains(driver).move_to_element(driver.find_elements(By.CSS_SELECTOR, "#lines li")[2]).perform()
    assert driver.execute_script(marked) == ["polygon 2", "LI 2"]
    ActionChains(driver).move_to_element(driver.find_elements(By.CSS_SELECTOR, "#boxes polygon")[1]).perform()
    assert driver.execute_script(marked) == ["polygon 1", "LI 1"]
    ActionChains(driver).move_to_element(driver.find_element(By.TAG_NAME, "h1")).perform()
    assert driver.execute_script(marked) == []


def test_the_text_is_copied_and_said_so(driver: Chrome, site_url: str, skimage_picture: Callable[[str], Path]):
    permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    driver.execute_cdp_cmd("Browser.grantPermissions", {"permissions": permissions})
    give(driver, skimage_picture("page.png"))
    texts = answer(driver)
    button = driver.find_element(By.ID, "copy")
    button.click()
    wait(driver, "document.getElementById('copy').textContent === 'Copied'", 5)
    assert driver.find_element(By.ID, "live").get_attribute("textContent") == "Copied"
    copied = driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert copied == "\n".join(texts)
    wait(driver, "document.getElementById('copy').textContent === 'Copy text'", 5)


def test_scores_are_shown_on_demand(driver: Chrome, skimage_picture: Callable[[str], Path]):
    give(driver, skimage_picture("page.png"))
    answer(driver)
    score = driver.find_element(By.CSS_SELECTOR, "#lines .score")
    button = driver.find_element(By.ID, "scores")
    assert not score.is_displayed()
    button.click()
    assert score.is_displayed()
    assert 90 < float(score.text.removesuffix(" %")) <= 100
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert not score.is_displayed()


def test_the_keyboard_is_enough(driver: Chrome, site_url: str):
    """From the top of the page: Tab to the sample, Enter, then through its lines with the arrow keys."""
    driver.refresh()
    wait(driver, "window.intab?.opened", READY_SECONDS)
    focused = "const e = document.activeElement; return e.id || e.dataset.line || e.className"

    def press(key: str) -> str:
        ActionChains(driver).send_keys(key).perform()
        return str(driver.execute_script(focused))

    assert press(Keys.TAB) == "choose"
    assert press(Keys.TAB) == "sample"
    press(Keys.ENTER)
    texts = answer(driver)
    assert any("Lighthouse" in text for text in texts)
    assert driver.execute_script(focused) == "count", "the answer is not where a screen reader goes on"
    assert press(Keys.TAB) == "scores"
    assert press(Keys.TAB) == "copy"
    assert press(Keys.TAB) == "0"
    assert press(Keys.ARROW_DOWN) == "1"
    assert press(Keys.END) == str(len(texts) - 1)
    assert press(Keys.HOME) == "0"
    marked = driver.execute_script("return document.querySelector('polygon.current').dataset.line")
    assert marked == "0"
    outline = driver.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "where the focus is cannot be seen"


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_pictures_come_by_drop_and_paste(driver: Chrome, skimage_picture: Callable[[str], Path], event: str):
    script = """
        const [bytes, event, done] = arguments;
        const content = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([content], "page.png", { type: "image/png" }));
        window.intab.read = null;
        document.body.dispatchEvent(
          event === "drop"
            ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
            : new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }),
        );
        done();
    """
    encoded = base64.b64encode(skimage_picture("page.png").read_bytes()).decode()
    driver.execute_async_script(script, encoded, event)
    assert answer(driver)[0] == PAGE_LINES[0]


def test_a_text_file_named_png_is_refused_in_words(driver: Chrome, tmp_path: Path):
    picture = tmp_path / "notes.png"
    picture.write_text("not a picture at all")
    give(driver, picture)
    wait(driver, "!document.getElementById('error').hidden")
    error = driver.find_element(By.ID, "error")
    assert "This picture could not be read" in error.text
    assert "notes.png" in error.text
    assert "Traceback" not in error.text
    assert error.get_attribute("role") == "alert"
    assert not driver.find_element(By.ID, "result").is_displayed()


@pytest.mark.parametrize("size", [(200, 120), (1, 1)])
def test_a_picture_without_text_gets_a_kind_word_after_an_error_too(
    driver: Chrome, tmp_path: Path, size: tuple[int, int]
):
    picture = tmp_path / "white.png"
    Image.new("RGB", size, "white").save(picture)
    give(driver, picture)
    assert answer(driver) == []
    empty = driver.find_element(By.ID, "empty")
    assert empty.is_displayed()
    assert "no text" in empty.text
    assert driver.find_element(By.ID, "error").text == ""


def test_a_new_picture_takes_the_place_of_one_being_read(driver: Chrome, tmp_path: Path, skimage_picture):
    white = tmp_path / "white.png"
    Image.new("RGB", (640, 480), "white").save(white)
    give(driver, white)
    give(driver, skimage_picture("page.png"))
    assert answer(driver)[:1] == PAGE_LINES[:1]


def test_reading_can_be_cancelled(driver: Chrome, skimage_picture: Callable[[str], Path]):
    give(driver, skimage_picture("page.png"))
    wait(driver, "document.body.classList.contains('busy')", 5)
    driver.execute_script("document.getElementById('cancel').click()")
    wait(driver, "!document.body.classList.contains('busy')")
    assert driver.find_element(By.ID, "status-label").text == "Cancelled"
    give(driver, skimage_picture("page.png"))
    assert answer(driver)[:1] == PAGE_LINES[:1]


def test_what_a_screen_reader_needs_is_there(driver: Chrome):
    unnamed = driver.execute_script(
        """return [...document.querySelectorAll("button, input, progress, img, section, ol")]
          .filter((e) => !e.closest("[hidden]") || e.matches("input"))
          .filter((e) => !(e.textContent.trim() || e.alt || e.ariaLabel || e.getAttribute("aria-labelledby")))
          .map((e) => e.outerHTML)"""
    )
    assert unnamed == []
    assert driver.execute_script("return document.documentElement.lang") == "en"
    assert driver.find_element(By.ID, "live").get_attribute("aria-live") == "polite"


def site_with(folder: Path, *, snapshot: bytes | None) -> Path:
    """The built site with another snapshot: these bytes, or an address with nothing there when None."""
    for path in SITE.iterdir():
        if path.name not in ("site.json", "pyodide"):
            (folder / path.name).symlink_to(path)
    (folder / "pyodide").mkdir()
    for path in (SITE / "pyodide").iterdir():
        (folder / "pyodide" / path.name).symlink_to(path)
    site = json.loads((SITE / "site.json").read_text())
    if snapshot is not None:
        (folder / "pyodide" / "broken.gz").write_bytes(snapshot)
    site["pyodide"]["snapshot"]["url"] = "./pyodide/broken.gz"
    (folder / "site.json").write_text(json.dumps(site))
    return folder


@pytest.mark.parametrize(
    "snapshot, note",
    [
        (None, "the server answered 404"),
        (b"not gzip", "TypeError"),
        (gzip.compress(bytes(1 << 16)), "not used: "),
    ],
)
def test_a_snapshot_that_does_not_load_is_told_and_done_without(
    page: Chrome, tmp_path: Path, snapshot: bytes | None, note: str
):
    with serving(site_with(tmp_path, snapshot=snapshot)) as address:
        get_ready(page, address)
        started = page.execute_script("return window.intab.started")
    assert note in started["snapshot"]
    assert started["python"].startswith("3.")


def test_a_model_that_is_missing_is_told_with_a_way_on(page: Chrome, tmp_path: Path):
    site = site_with(tmp_path, snapshot=None)
    (site / "models").unlink()
    with serving(site) as address:
        page.get(address)
        wait(page, "!document.getElementById('error').hidden", READY_SECONDS)
        error = page.find_element(By.ID, "error")
        assert "The reader could not start" in error.text
        assert "det.onnx: the server answered 404" in error.text
        assert page.find_element(By.ID, "retry").is_displayed()
