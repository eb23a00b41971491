"""What people want done, ready-made: `reader = await pipeline("ocr")`.

A pipeline is a module or package of this folder, called by its name, with `async def create(**options)`. Names
that begin with an underscore are no pipelines. Modules are imported only when asked for.
"""

import importlib
import pkgutil
from typing import Any

from intab.errors import IntabError


def pipeline_names() -> list[str]:
    """The names that `pipeline` knows."""
    return sorted(found.name for found in pkgutil.iter_modules(__path__) if not found.name.startswith("_"))


async def pipeline(name: str, **options: Any) -> Any:
    """Load the models of a task and return what does it; `options` are those of its `create`.

    Raises IntabError for a name that is not known, and whatever loading the models raises.
    """
    if name not in pipeline_names():
        raise IntabError(f"pipeline: there is no {name!r}. Choose one of: {', '.join(pipeline_names())}.")
    return await importlib.import_module(f"{__name__}.{name}").create(**options)
