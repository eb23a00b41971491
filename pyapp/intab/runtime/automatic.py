"""backend="auto" in a browser: the device is asked beside the download, and where it has a GPU the model is looked at.

Where there is none, or one that software plays, WebAssembly is chosen and nothing of the rest is done, or imported.
"""

import asyncio
from typing import TYPE_CHECKING

from intab.graph.storage import Storage
from intab.runtime.cache import ProgramStore
from intab.runtime.choose import decide
from intab.runtime.demand import NO_DEMAND
from intab.runtime.device import Choice
from intab.runtime.opened import OpenModel
from intab.runtime.probe import Device, probe_to_compute
from intab.runtime.source import Progress, Source, close_source, open_source

if TYPE_CHECKING:
    from intab.runtime.evidence import Evidence


async def open_and_ask(source: Source, progress: Progress) -> tuple[Storage, Device]:
    """A model's bytes, and the device, which is asked meanwhile. Raises what opening raises."""
    asking = asyncio.ensure_future(probe_to_compute())
    try:
        storage = await open_source(source, progress)
    except BaseException:
        asking.cancel()
        raise
    try:
        return storage, await asking
    except BaseException:
        close_source(storage, source)
        raise


async def by_evidence(
    otherwise: Choice, threads: int | None, device: Device, model: OpenModel, programs: ProgramStore | None
) -> "tuple[Choice, Evidence | None]":
    """What is to run a model, and where there is a GPU what that was decided by.

    `otherwise` stands where the model cannot be read, which loading then says.
    """
    if device.webgpu is None or device.webgpu.is_software:
        # Reading takes longer than all the rest, and without a GPU nothing depends on it.
        return decide(device, NO_DEMAND, threads=threads), None
    from intab.runtime.evidence import gather

    evidence = await gather(threads, device, model, programs)
    return (otherwise, None) if evidence is None else (evidence.choice, evidence)
