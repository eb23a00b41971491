"""Frozen dataclasses as plain data, as JSON has it, and back."""

import types
from dataclasses import fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from intab.errors import DTypeError

VERSION = "of this version of intab"


def plain(value: Any) -> Any:
    """Dataclasses as dicts, tuples and sets as lists, sets in order."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def restored(hint: Any, data: Any) -> Any:
    """What `plain` made plain, of the type `hint`. Raises DTypeError when it is something else."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return None if data is None else restored(next(one for one in arguments if one is not types.NoneType), data)
    if is_dataclass(hint) and isinstance(data, dict):
        return _restored_fields(hint, data)
    if origin is tuple and isinstance(data, list):
        kinds = arguments[:1] * len(data) if arguments[-1] is Ellipsis else arguments
        if len(kinds) == len(data):
            return tuple(restored(kind, item) for kind, item in zip(kinds, data, strict=True))
    if origin is frozenset and isinstance(data, list):
        return frozenset(restored(arguments[0], item) for item in data)
    if origin is dict and isinstance(data, dict):
        return {restored(arguments[0], key): restored(arguments[1], item) for key, item in data.items()}
    if origin is None and type(data) is hint:
        return data
    raise DTypeError(
        f"A device's data: {data!r:.60} is given where {hint} was. Use what as_dict() gave, of this version."
    )


def _restored_fields(kind: Any, data: dict[str, Any]) -> Any:
    hints = get_type_hints(kind)
    known = {field.name for field in fields(kind)}
    if set(data) != known:
        raise DTypeError(
            f"A device's data: {kind.__name__} has the fields {', '.join(sorted(known))}, and given are "
            f"{', '.join(sorted(map(str, data)))}. Use what as_dict() gave, {VERSION}."
        )
    return kind(**{name: restored(hints[name], item) for name, item in data.items()})
