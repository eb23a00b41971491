"""Packings: how kernels want their constants laid out, as data, so that a compiled program can be kept in a store."""

from collections.abc import Callable
from dataclasses import dataclass

from intab.errors import KernelError
from intab.graph.derived import View
from intab.graph.ir import Array
from intab.ops.panels import Panels

_FUNCTIONS: dict[str, Callable[..., Array]] = {}
_PANELS: dict[str, Callable[..., Panels | None]] = {}


@dataclass(frozen=True, slots=True)
class Packing:
    """A function entered under `name`, with the whole numbers that it takes after the constants' arrays."""

    name: str
    numbers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.name not in _FUNCTIONS:
            raise KernelError(f"There is no packing {self.name!r}; there are {', '.join(sorted(_FUNCTIONS))}.")

    def __call__(self, *arrays: Array) -> Array:
        return _FUNCTIONS[self.name](*arrays, *self.numbers)

    def panels(self, view: View) -> Panels | None:
        """How a kernel reads a constant to pack it; None where numpy has to."""
        return _PANELS[self.name](view, *self.numbers) if self.name in _PANELS else None


def packing(
    name: str, panels: Callable[..., Panels | None] | None = None
) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Enter a function of arrays, then whole numbers, as a packing. Raises KernelError for a name that is taken.

    panels(view, *numbers) says how a kernel does the same with one constant, or None where it cannot.
    """

    def enter(function: Callable[..., Array]) -> Callable[..., Array]:
        if name in _FUNCTIONS:
            raise KernelError(f"There are two packings called {name!r}.")
        _FUNCTIONS[name] = function
        if panels is not None:
            _PANELS[name] = panels
        return function

    return enter
