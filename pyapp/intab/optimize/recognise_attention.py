"""Attention as exporters spell it out."""

from dataclasses import dataclass, replace

import numpy as np

from intab.dtypes import bool_, float32
from intab.graph.dims import Dim, Shape, product
from intab.graph.ir import Attribute, Node, Value
from intab.optimize.editor import Editor, peephole
from intab.optimize.patterns import same_type, scaled_by

BY_TOKEN = (0, 2, 1, 3)
# What is added to a score to hide it: a sum with any score is this number again.
HIDDEN = -1e30
MOST_STEPS = 8


@dataclass(frozen=True, slots=True)
class _Mask:
    """Numbers that are added to scores of a shape, or flags and what scores without one become."""

    value: Value
    scores: Shape
    fill: float = 0.0

    @property
    def is_flags(self) -> bool:
        return self.value.dtype == bool_


@dataclass(frozen=True, slots=True)
class _Scores:
    """scale * product, masked from the first mask on."""

    product: Node
    scale: float = 1.0
    masks: tuple[_Mask, ...] = ()


@dataclass(frozen=True, slots=True)
class _Side:
    """An operand as [batch, head, token, depth]: a value that is stored so, or by token, or by depth."""

    value: Value
    scale: float = 1.0
    by_token: bool = False
    by_depth: bool = False

    @property
    def shape(self) -> Shape:
        a, b, c, d = self.value.shape
        return (a, c, b, d) if self.by_token else (a, b, d, c) if self.by_depth else (a, b, c, d)


def _matmul(editor: Editor, node: Node) -> Value | None:
    """shares @ v"""
    if len(node.inputs) != 2 or any(node.attributes.values()) or node.output.dtype != float32:
        return None
    shares, v = node.inputs
    found = _softmax(editor, shares)
    if found is None or v is None or node.output.rank not in (3, 4):
        return None
    softmax, zero_unseen = found
    scores = _scores(editor, softmax.inputs[0], MOST_STEPS)
    if scores is None or scores.product.output.rank not in (3, 4):
        return None
    sides = _sides(editor, scores.product, v, like=node)
    if sides is None:
        return None
    q, k, values = sides
    batch, heads, rows, _ = q.shape
    attributes: dict[str, Attribute] = {"scale": scores.scale * q.scale * k.scale, "zero_unseen": zero_unseen}
    mask = _combined(editor, scores.masks, (batch, heads, rows, k.shape[2]), like=node)
    if mask is None and scores.masks:
        return None
    if mask is not None and mask.is_flags:
        attributes["fill"] = mask.fill
    attributes |= {"q_by_token": q.by_token, "k_by_token": k.by_token, "k_by_depth": k.by_depth}
    given = (q.value, k.value, values.value, *([mask.value] if mask else []))
    result = editor.emit("Attention", *given, like=node, v_by_token=values.by_token, **attributes)
    if result.shape == node.output.shape:
        return result
    return editor.emit("Reshape", result, like=node, shape=node.output.shape)


def _softmax(editor: Editor, value: Value | None) -> tuple[Node, bool] | None:
    """The softmax over the last axis that makes a value, and whether what is no number becomes 0 after it."""
    node = _last_softmax(editor.single(value, "Softmax", "Reshape"), editor)
    if node is not None:
        return node, False
    choice = editor.single(value, "Where")
    if choice is None:
        return None
    condition, first, second = choice.inputs
    test, shares, number = editor.single(condition, "Not", "Equal"), second, first
    if test is not None and test.op == "Equal":
        shares, number = first, second
    elif test is not None:
        test = editor.single(test.inputs[0], "Equal")
    node = _last_softmax(editor.producer(shares), editor)
    if test is None or node is None or shares is None or editor.scalar(number) != 0.0:
        return None
    is_number = all(value is shares for value in test.inputs) and editor.uses(shares) == 3
    return (node, True) if is_number and node.output is shares else None


def _last_softmax(node: Node | None, editor: Editor) -> Node | None:
    if node is not None and node.op == "Reshape" and _keeps_matrices(node):
        node = editor.single(node.inputs[0], "Softmax")
    if node is None or node.op != "Softmax":
        return None
    return node if node.attributes["axis"] in (-1, node.output.rank - 1) else None


def _keeps_matrices(node: Node) -> bool:
    """Does a reshape leave the last two axes as they are?"""
    (x,) = node.inputs[:1]
    return x is not None and x.rank > 2 and x.shape[-2:] == node.output.shape[-2:]


def _scores(editor: Editor, value: Value | None, steps: int) -> _Scores | None:
    """A product, scaled and then masked, of which nothing is used elsewhere."""
    node = editor.single(value, "MatMul", "Mul", "Div", "Add", "Where", "Reshape")
    if node is None or steps == 0:
        return None
    if node.op == "MatMul":
        plain = len(node.inputs) == 2 and not node.attributes.get("transpose_a") and not node.attributes.get("epilogue")
        return _Scores(node) if plain else None
    if node.op == "Reshape":
        return _scores(editor, node.inputs[0], steps - 1) if _keeps_matrices(node) else None
    if node.op in ("Mul", "Div"):
        scaled = scaled_by(editor, value)
        inner = None if scaled is None else _scores(editor, scaled[0], steps - 1)
        if scaled is None or inner is None or inner.masks:
            return None
        return replace(inner, scale=inner.scale * scaled[1])
    return _masked(editor, node, steps)


def _masked(editor: Editor, node: Node, steps: int) -> _Scores | None:
    """scores + mask, or where(flags, scores, number), or where(flags, number, scores)"""
    *flags, left, right = node.inputs
    for scores, other in ((left, right), (right, left)):
        inner = _scores(editor, scores, steps - 1) if scores is not None and same_type(scores, node) else None
        if inner is None or other is None or scores is None:
            continue
        if node.op == "Add":
            return replace(inner, masks=(*inner.masks, _Mask(_unexpanded(editor, other), scores.shape)))
        number, seen = editor.scalar(other), flags[0]
        if number is None or seen is None:
            return None
        seen = _unexpanded(editor, seen)
        if scores is right:
            seen = editor.emit("Not", seen, like=node)
        return replace(inner, masks=(*inner.masks, _Mask(seen, scores.shape, number)))
    return None


def _unexpanded(editor: Editor, mask: Value) -> Value:
    """A mask before it was repeated along axes: it broadcasts as well."""
    node = editor.producer(mask)
    return node.inputs[0] if node is not None and node.op == "Expand" and node.inputs[0] is not None else mask


def _combined(editor: Editor, masks: tuple[_Mask, ...], scores: Shape, *, like: Node) -> _Mask | None:
    """One mask for scores [batch, heads, rows, keys]; None if there is none or none that is not as large as these."""
    shaped = [_four_axes(editor, mask, scores, like=like) for mask in masks]
    if len(shaped) == 1:
        return shaped[0]
    numbers: list[Value] = []
    for mask in shaped:
        if mask is None or (mask.value.rank > 2 and mask.value.shape[-3] != 1):
            return None
        if not mask.is_flags:
            numbers.append(mask.value)
        elif mask.fill <= HIDDEN:
            seen, hidden = (editor.add_constant(np.array(n, np.float32), "mask") for n in (0.0, mask.fill))
            numbers.append(editor.emit("Where", mask.value, seen, hidden, like=like))
        else:
            return None
    if not numbers:
        return None
    total, *others = numbers
    for other in others:
        total = editor.emit("Add", total, other, like=like)
    return _Mask(total, scores)


def _four_axes(editor: Editor, mask: _Mask, scores: Shape, *, like: Node) -> _Mask | None:
    """A mask that broadcasts to scores of four axes."""
    value = mask.value
    batch, heads = scores[:2]
    if value.rank < 3 or mask.scores[:-2] == (batch, heads):
        return mask
    if value.rank != 3 or len(mask.scores) != 3 or value.shape[0] not in (1, product((batch, heads))):
        return None
    lead = (1, 1) if value.shape[0] == 1 else (batch, heads)
    return replace(mask, value=editor.emit("Reshape", value, like=like, shape=(*lead, *value.shape[1:])))


def _sides(editor: Editor, scores: Node, v: Value, *, like: Node) -> tuple[_Side, _Side, _Side] | None:
    """q, k and v with four axes."""
    left, right = scores.inputs
    if left is None or right is None or left.rank not in (3, 4) or {left.rank, right.rank, v.rank} != {left.rank}:
        return None
    q, q_scale = _unscaled(editor, left)
    k, k_scale, by_depth = _keys(editor, right, bool(scores.attributes.get("transpose_b")))
    values = [q, k, v]
    if left.rank == 3:
        before = [_before_merge(editor, value) for value in values]
        whole = [value for value in before if value is not None]
        if len(whole) == 3 and len({value.shape[:2] for value in whole}) == 1:
            values = whole
        else:
            values = [editor.emit("Reshape", x, like=like, shape=(x.shape[0], 1, *x.shape[1:])) for x in (q, k, v)]
    query, value = (_stored(editor, _Side(x)) for x in (values[0], values[2]))
    key = _Side(values[1], by_depth=True) if by_depth else _stored(editor, _Side(values[1]))
    keys, shared = _shared(editor, key), _shared(editor, value)
    if keys is not None and shared is not None and keys.shape[1] == shared.shape[1]:
        key, value = keys, shared
    if query.shape[0] != key.shape[0] or value.shape[:2] != key.shape[:2] or key.shape[2] != value.shape[2]:
        return None
    if query.shape[1] != key.shape[1] and keys is not key:
        return None
    return replace(query, scale=q_scale), replace(key, scale=k_scale), value


def _unscaled(editor: Editor, value: Value) -> tuple[Value, float]:
    """x and c, where a value is x * c; itself and 1 where it is not."""
    found = scaled_by(editor, value)
    return found if found is not None and _same(found[0], value) else (value, 1.0)


def _same(first: Value, second: Value) -> bool:
    return first.shape == second.shape and first.dtype == second.dtype


def _keys(editor: Editor, value: Value, turned: bool) -> tuple[Value, float, bool]:
    """Keys, their scale, and whether they are stored with tokens last; `turned` if the product turns them."""
    value, scale = _unscaled(editor, value)
    if turned:
        return value, scale, False
    node = editor.producer(value)
    if node is not None and node.op == "Reshape" and value.rank == 4:
        node = _turned_in_three_axes(editor, node)
    if node is None or node.op != "Transpose" or node.inputs[0] is None:
        return value, scale, True
    x, perm = node.inputs[0], node.attributes["perm"]
    if perm == (*range(value.rank - 2), value.rank - 1, value.rank - 2):
        x, further = _unscaled(editor, x)
        return x, scale * further, False
    if perm == (0, 2, 3, 1):
        x = editor.emit("Transpose", x, like=node, perm=BY_TOKEN)
        return x, scale, False
    return value, scale, True


def _turned_in_three_axes(editor: Editor, node: Node) -> Node | None:
    """reshape(transpose(reshape(k))) that turns the last two axes, as one transposition of k."""
    turn = editor.producer(node.inputs[0])
    merge = editor.producer(turn.inputs[0]) if turn is not None and turn.op == "Transpose" else None
    if turn is None or merge is None or merge.op != "Reshape" or turn.attributes["perm"] != (0, 2, 1):
        return None
    k, (batch, heads, depth, keys) = merge.inputs[0], node.output.shape
    if k is None or k.shape != (batch, heads, keys, depth):
        return None
    return Node("Transpose", (k,), node.outputs, {"perm": (0, 1, 3, 2)}, node.name)


def _before_merge(editor: Editor, value: Value) -> Value | None:
    """[batch, heads, ...], where a value is the same with both axes in one."""
    node = editor.producer(value)
    if node is None or node.op != "Reshape" or not _keeps_matrices(node):
        return None
    x = node.inputs[0]
    return x if x is not None and x.rank == 4 else None


def _stored(editor: Editor, side: _Side) -> _Side:
    """The operand before it was transposed from token after token."""
    node = editor.producer(side.value)
    if node is None or node.op != "Transpose" or node.attributes["perm"] != BY_TOKEN or node.inputs[0] is None:
        return side
    return replace(side, value=node.inputs[0], by_token=True)


def _shared(editor: Editor, side: _Side) -> _Side | None:
    """Heads before each was repeated for its group: reshape(expand(reshape(x)))"""
    if side.by_token or side.by_depth:
        return None
    joined = editor.producer(side.value)
    repeated = editor.producer(joined.inputs[0]) if joined is not None and joined.op == "Reshape" else None
    split = editor.producer(repeated.inputs[0]) if repeated is not None and repeated.op == "Expand" else None
    if repeated is None or split is None or split.op != "Reshape" or repeated.output.rank != 5:
        return None
    x, wide = split.inputs[0], repeated.output.shape
    if x is None or x.rank != 4 or split.output.shape != (*x.shape[:2], 1, *x.shape[2:]):
        return None
    if wide != (*x.shape[:2], wide[2], *x.shape[2:]) or not _multiple(side.shape[1], x.shape[1]):
        return None
    return _stored(editor, _Side(x))


def _multiple(heads: Dim, groups: Dim) -> bool:
    return isinstance(heads, int) and isinstance(groups, int) and groups > 0 and heads % groups == 0


def _transpose(editor: Editor, node: Node) -> Value | None:
    """The result of an attention, token after token."""
    value = node.inputs[0]
    if node.attributes["perm"] != BY_TOKEN or value is None:
        return None
    made = editor.single(value, "Attention", "Reshape")
    while made is not None and made.op == "Reshape":
        made = editor.single(made.inputs[0], "Attention", "Reshape")
    if made is None or made.attributes.get("by_token") or made.output.shape != value.shape:
        return None
    return editor.again(made, *made.inputs, like=node, by_token=True)


RECOGNISE_ATTENTION = peephole("recognise_attention", {"MatMul": [_matmul], "Transpose": [_transpose]})
"""matmul(softmax(add(mul(matmul(q, transpose(k)), scale), mask)), v)   ->   attention(q, k, v, mask, scale)
matmul(softmax(where(flags, matmul(q, transpose(k)), -inf)), v)      ->   attention(q, k, v, flags)

With the scale before or after the product, on either side, keys turned in any way, heads as an axis or merged with
the batch, transpositions of heads before and after taken in, heads repeated for groups not repeated, and shares that
are no numbers made 0. Several masks become one where they are the same for all heads. Requires that nobody else uses
what lies between. Results differ by rounding.
"""
