"""Windows that reach beyond their picture: which of their taps see it. What lies outside counts as zeros."""

from intab.kernels.block import KernelWriter
from intab.kernels.ir import Expr, Var

# The axes of a picture that windows move along.
GUARDED_AXES = ("planes", "lines", "pixels")


class GuardedAxis:
    """An axis of a picture with windows at every `stride`-th place, the first of which begins `before` the picture.

    Words: those two, the axis' size, and how far apart taps are; named after the axis, one after the other.
    """

    def __init__(self, kernel: KernelWriter, name: str) -> None:
        """Declares the words."""
        self._kernel, self._name = kernel, name
        self._size, self._before, self._stride, self._dilation = (kernel.word(word) for word in guard_words(name))

    def taps(self, index: Expr, count: int) -> tuple[Var, Var]:
        """The taps (begin, end) of `count` that see the picture in the window of that index."""
        kernel, dilation = self._kernel, self._dilation
        begin = kernel.let(f"{self._name}_begin", self._before - index * self._stride)
        # Divisions round down where they are of no less than zero.
        first = (begin.maximum(0) + (dilation - 1)) // dilation
        end = ((begin + self._size).maximum(0) + (dilation - 1)) // dilation
        return kernel.let(f"{self._name}_first", first), kernel.let(f"{self._name}_end", end.minimum(count))


def guard_words(name: str) -> tuple[str, str, str, str]:
    """The words of a guarded axis: its size, the elements before it, the windows' stride, the taps' dilation."""
    return f"{name}_size", f"{name}_before", f"{name}_stride", f"{name}_dilation"
