"""Triangles, diagonals, one of many, the best of many, and products over named axes."""

import numpy as np
import pytest

from intab.errors import IntabError, ModelFormatError, ShapeError, UnsupportedOpError
from tests.formats.small_models import Fixed, check, floats, node_model, read_model, whole

X = floats(2, 4, 5)


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("k", [None, 0, 1, -2])
def test_trilu(upper: int, k: int | None) -> None:
    diagonal = [] if k is None else [Fixed(k)]
    check("Trilu", X, *diagonal, opset=14, upper=upper)
    check("Trilu", whole(3, 3), *diagonal, opset=14, upper=upper)


def test_eye_like() -> None:
    for k in (0, 2, -1):
        check("EyeLike", floats(3, 4), opset=9, k=k)
        check("EyeLike", floats(3, 4), opset=9, k=k, dtype=7)


@pytest.mark.parametrize("axis", [None, 0, 1, -2])
def test_one_hot(axis: int | None) -> None:
    attributes = {} if axis is None else {"axis": axis}
    indices = np.array([[0, 4, -1], [-5, 7, 2]], np.int64)
    for values in (np.array([-1.5, 2.5], np.float32), np.array([0, 1], np.int64)):
        check("OneHot", indices, Fixed(5), values, opset=11, **attributes)
    floating = (indices.astype(np.float32), Fixed([5], np.float32))
    check("OneHot", *floating, np.array([-1.5, 2.5], np.float32), opset=11, **attributes)


def test_top_k() -> None:
    ties = np.round(X * 2)
    for axis in (-1, 1):
        for largest in (0, 1):
            check("TopK", ties, Fixed([2]), opset=11, outputs=2, axis=axis, largest=largest)
    check("TopK", X, Fixed([3]), opset=10, outputs=2)
    check("TopK", X, opset=9, outputs=2, k=1, axis=1)
    model, _ = node_model("TopK", [X, Fixed([6])], opset=11, outputs=2)
    with pytest.raises(ShapeError, match="there are not so many"):
        read_model(model)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("bij, bkj -> bik", [(2, 3, 4), (2, 5, 4)]),
        ("bhid,bhjd->bhij", [(2, 3, 4, 5), (2, 3, 6, 5)]),
        ("bnqk,bkc->bqnc", [(2, 3, 4, 5), (2, 5, 6)]),
        ("ij,kl->kjil", [(2, 3), (4, 5)]),
        ("ijk->kj", [(2, 3, 4)]),
        ("i,i->", [(5,), (5,)]),
        ("ijm,ikm,m->jk", [(2, 3, 4), (2, 5, 4), (4,)]),
        ("ki,jk", [(2, 3), (4, 2)]),
        ("...ij,...jk->...ik", [(2, 3, 4, 5), (2, 3, 5, 6)]),
        ("...id,jd->i...j", [(2, 3, 4), (5, 4)]),
    ],
)
def test_einsum(equation: str, shapes: list[tuple[int, ...]]) -> None:
    operands = [floats(*shape, seed=i) for i, shape in enumerate(shapes)]
    check("Einsum", *operands, opset=12, expected=[np.einsum(equation.replace(" ", ""), *operands)], equation=equation)


@pytest.mark.parametrize(
    ("equation", "error", "message"),
    [
        ("ii->i", UnsupportedOpError, "names an axis twice in one term"),
        ("ij->ik", ModelFormatError, "an axis that no operand has"),
        ("ij,jk->ik", ModelFormatError, "2 terms for 1 operands"),
        ("ijk->i", ModelFormatError, "does not fit 2 axes"),
        ("i1->i", ModelFormatError, "not made of letters"),
    ],
)
def test_einsum_that_is_refused(equation: str, error: type[IntabError], message: str) -> None:
    model, _ = node_model("Einsum", [floats(3, 3)], opset=12, equation=equation)
    with pytest.raises(error, match=message):
        read_model(model)
