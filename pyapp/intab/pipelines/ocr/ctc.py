"""From the recogniser's scores to text (connectionist temporal classification, Graves et al. 2006)."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from intab.errors import ModelFormatError, ShapeError

BLANK = 0


def charset(metadata: Mapping[str, str]) -> list[str]:
    """What each class of the recogniser stands for: nothing, the characters of its metadata, a space."""
    characters = metadata.get("character", "")
    if not characters:
        raise ModelFormatError(
            "recogniser: the model's metadata has no 'character', the list of what it can read. "
            "Use a PaddleOCR recogniser exported with its characters, such as rapidocr's."
        )
    return ["", *characters.splitlines(), " "]


def decode(scores: NDArray[np.float32], characters: Sequence[str]) -> list[tuple[str, float]]:
    """The text of each line and how sure it is. scores [N, T, K], each row of K adding up to 1.

    The best class of each step counts, but not a blank and not a repetition of the step before; the score is
    the mean of those that count, 0 when none does.
    """
    if scores.ndim != 3 or scores.shape[2] != len(characters):
        raise ShapeError(
            f"recogniser: its scores are {scores.shape}, and its metadata names {len(characters)} classes. "
            "The model and its characters do not belong together; convert it again."
        )
    best = scores.argmax(axis=2)
    chance = np.take_along_axis(scores, best[..., None], axis=2)[..., 0]
    counts = best != BLANK
    counts[:, 1:] &= best[:, 1:] != best[:, :-1]
    return [
        ("".join(characters[i] for i in line[kept]), float(sure[kept].mean(dtype=np.float64)) if kept.any() else 0.0)
        for line, sure, kept in zip(best, chance, counts, strict=True)
    ]
