"""How alike two texts are."""

from collections.abc import Sequence

import numpy as np


def edit_distance(one: str, other: str) -> int:
    """The least number of characters to insert, delete or replace to make one of the other (Levenshtein 1965)."""
    codes = np.array([ord(character) for character in other])
    steps = np.arange(len(other) + 1)
    row = steps.copy()
    for character in one:
        # Along a row each step to the right costs one, so the minimum so far of (value - position) does insertions.
        changed = np.minimum(row[1:] + 1, row[:-1] + (codes != ord(character)))
        row = np.minimum.accumulate(np.concatenate([[row[0] + 1], changed]) - steps) + steps
    return int(row[-1])


def sameness(one: str, other: str) -> float:
    """1 when the texts are the same, 0 when nothing is: edits in parts of the longer."""
    return 1 - edit_distance(one, other) / max(len(one), len(other), 1)


def joined(lines: Sequence[str]) -> str:
    """Lines as one text, without spaces: a line that was found in two parts is no error."""
    return "".join("".join(lines).split())
