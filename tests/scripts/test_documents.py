"""README and docs point at what is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
PATH_IN_CODE = re.compile(r"`((?:pyapp|scripts|tests|web|wheels|docs)/[\w./-]+)`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_it_names_exists(document):
    text = document.read_text(encoding="utf-8")
    linked = [document.parent / link for link in LINK.findall(text) if "://" not in link]
    named = [ROOT / path for path in PATH_IN_CODE.findall(text)]
    missing = [str(path) for path in (*linked, *named) if not path.exists()]
    assert not missing, f"{document.name} names what is not there: {missing}"


def test_readme_names_seven_files_in_order():
    numbers = re.findall(r"^(\d)\. \[`pyapp/intab/", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert numbers == ["1", "2", "3", "4", "5", "6", "7"]
