"""The middle of attention on GPUs: the shares of keys from the scores of queries, which other products made."""

from functools import cache

from intab.errors import KernelError
from intab.kernels import functions
from intab.kernels.block import KernelWriter, load
from intab.kernels.families.attention import Masking
from intab.kernels.families.loops import load_value, widened
from intab.kernels.families.team import Team, TeamShape
from intab.kernels.ir import F32, Const, Expr, Kernel, Select

# Below every score that counts: devices may take it for granted that there are no infinities.
UNSEEN = -3.0e38


@cache
def attention_shares(masking: Masking, shape: TeamShape) -> Kernel:
    """y = softmax(x * scale + mask) of each row of scores [batches, heads, rows, keys].

    Buffers: x, mask where asked for, y. Words: keys, scale (f32); with a mask heads, rows, mask_batch, mask_head and
    mask_row (elements between neighbours), for flags fill (f32); where it is causal rows and causal_offset: then keys
    go one by one. Items: batches * heads * rows.
    """
    width = shape.width
    if masking.causal and width > 1:
        raise KernelError("Keys are told apart one by one where attention is causal.")
    kernel = KernelWriter("attention_shares")
    kernel.buffer("x", "f32", "read", vector=width)
    if masking.mask:
        kernel.buffer("mask", masking.mask, "read", vector=width)
    kernel.buffer("y", "f32", "write", vector=width)
    keys, scale = kernel.word("keys"), kernel.word("scale", F32)
    rows = kernel.word("rows") if masking.mask or masking.causal else None
    seen_to = kernel.word("causal_offset") if masking.causal else None
    heads = kernel.word("heads") if masking.mask else None
    strides = [kernel.word(f"mask_{part}") for part in ("batch", "head", "row")] if masking.mask else []
    fill = kernel.word("fill", F32) if masking.mask == "bool" else None
    team = Team(kernel, shape)
    start = kernel.let("start", kernel.item * keys)
    mask_at: Expr = start
    if heads is not None and rows is not None:
        row, head = kernel.item % rows, kernel.let("head", kernel.item // rows)
        mask_at = head // heads * strides[0] + head % heads * strides[1] + row * strides[2]
        mask_at = kernel.let("mask_at", mask_at)
    last = None
    if seen_to is not None and rows is not None:
        last = kernel.let("last", kernel.item % rows + seen_to)

    def score(i: Expr) -> Expr:
        value: Expr = load("x", start + i, F32.wide(width)) * widened(scale, width)
        if masking.mask == "f32":
            value = value + load("mask", mask_at + i, F32.wide(width))
        elif fill is not None:
            value = Select(load_value("mask", "bool", mask_at + i, width), value, widened(fill, width))
        if last is not None:
            value = Select(i.le(last), value, Const(-functions.INFINITY, F32))
        return kernel.let("score", value)

    largest = team.fold("max", Const(-functions.INFINITY, F32), keys, score)
    below, none = kernel.let("below", widened(largest, width)), Const(0.0, F32.wide(width))

    def power(i: Expr) -> Expr:
        value = score(i)
        return Select(value.gt(UNSEEN), functions.exp(kernel, value - below), none)

    total = team.fold("add", Const(0.0, F32), keys, power)
    share: Expr = Const(1.0, F32) / total
    if masking.zero_unseen:
        share = Select(total.gt(0.0), share, Const(0.0, F32))
    whole = kernel.let("whole", widened(kernel.let("share", share), width))
    with team.loop(keys) as i:
        kernel.store("y", start + i, power(i) * whole)
    return kernel.kernel()
