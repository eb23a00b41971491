"""The built site starts Python with intab in real Chromium."""

import json
from pathlib import Path

from pytest_pyodide import run_in_pyodide

import intab

SITE = Path(__file__).resolve().parents[2] / "build" / "site"


@run_in_pyodide
def version_inside(selenium):
    import intab

    return intab.__version__


@run_in_pyodide
def where_intab_is(selenium):
    import intab

    return intab.__file__


@run_in_pyodide
def numpy_sum(selenium):
    import numpy

    return int(numpy.arange(10).sum())


def test_import_has_the_same_version_as_the_checkout(selenium):
    assert version_inside(selenium) == intab.__version__


def test_intab_runs_from_byte_code(selenium):
    assert where_intab_is(selenium).endswith("/site-packages/intab/__init__.pyc")


def test_numpy_computes(selenium):
    assert numpy_sum(selenium) == 45


def test_page_is_isolated_so_that_threads_can_follow(selenium):
    assert selenium.run_js("return self.crossOriginIsolated") is True


def test_started_from_the_snapshot(selenium):
    """The plain start would work too and take seconds longer: the snapshot must really be in use."""
    assert selenium.run_js("return pyodide._api.config._loadSnapshot !== undefined") is True


def test_assertion_failures_inside_come_out(selenium):
    @run_in_pyodide
    def fails(selenium):
        assert 1 + 1 == 3

    try:
        fails(selenium)
    except AssertionError as error:
        assert "3" in str(error)
    else:
        raise AssertionError("an assertion that fails in Pyodide was not seen here")


def test_manifest_tells_the_truth():
    """Every address in site.json is there, with the size it gives."""
    manifest = json.loads((SITE / "site.json").read_text())
    assets = [manifest["pyodide"]["snapshot"], *manifest["models"].values()]
    for asset in assets:
        assert (SITE / asset["url"]).stat().st_size == asset["nbytes"]
    for address in [manifest["pyodide"]["lock"], *manifest["wheels"]]:
        assert (SITE / address).is_file()
