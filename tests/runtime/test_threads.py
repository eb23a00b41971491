"""How many threads a session is given, and what is said about it. Threads at work: tests/browser/test_threads.py."""

from types import SimpleNamespace

import pytest

from intab.errors import BackendUnavailableError
from intab.runtime import device
from intab.runtime.device import choose


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A browser with eight processors on an isolated page, to be changed by the test."""
    seen = SimpleNamespace(cross_origin_isolated=True, processors=8)
    monkeypatch.setattr(device, "in_browser", lambda: True)
    monkeypatch.setattr(device, "features", lambda: seen)
    return seen


@pytest.mark.parametrize("processors, threads", [(1, 1), (2, 2), (4, 4), (6, 4), (8, 4), (12, 6), (64, 8)])
def test_processors_that_are_twins_or_slow_are_left_to_others(
    browser: SimpleNamespace, processors: int, threads: int
) -> None:
    browser.processors = processors
    choice = choose("auto")
    assert (choice.threads, choice.measured) == (threads, threads > 1)
    words = f"up to {threads} threads on {processors} processors" if threads > 1 else "one thread on one processor"
    assert choice.reasons[-1] == words


def test_an_author_may_ask_for_any_number(browser: SimpleNamespace) -> None:
    assert choose("wasm", 3).threads == 3
    assert not choose("wasm", 3).measured
    assert str(choose("wasm", 3)) == "wasm: asked for; threads=3 asked for"


def test_a_page_that_is_not_isolated_has_one_thread_and_says_so(browser: SimpleNamespace) -> None:
    browser.cross_origin_isolated = False
    assert choose("auto").threads == 1
    assert choose("auto").reasons[-1] == "one thread, since the page is not cross-origin isolated"
    with pytest.raises(BackendUnavailableError, match="threads=2: the page is not cross-origin isolated"):
        choose("auto", 2)


def test_the_reference_and_the_desktop_have_one_thread(
    browser: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BackendUnavailableError, match="'reference' computes on one thread here"):
        choose("reference", 2)
    monkeypatch.setattr(device, "in_browser", lambda: False)
    with pytest.raises(BackendUnavailableError, match="'wasm' computes on one thread here"):
        choose("wasm", 2)
    assert choose("wasm").threads == choose("wasm", 1).threads == 1


def test_there_is_at_least_one_thread_and_not_any_number(browser: SimpleNamespace) -> None:
    with pytest.raises(BackendUnavailableError, match="threads=100: there are at most 32"):
        choose("wasm", 100)
    with pytest.raises(BackendUnavailableError, match="threads=0: there is at least one"):
        choose("wasm", 0)
