"""backend="auto" in a browser: the device is asked and, where it has a GPU, the model is looked at, too."""

from intab.errors import IntabError
from intab.graph.storage import Storage
from intab.runtime.beside import read_with_files_beside
from intab.runtime.choose import decide
from intab.runtime.demand import NO_DEMAND, Demand, demand_of_graph
from intab.runtime.device import Choice
from intab.runtime.probe import probe_to_compute
from intab.runtime.source import Source, close_source, no_progress


async def by_evidence(choice: Choice, threads: int | None, storage: Storage, source: Source) -> Choice:
    """What is to run a model, decided by what there is to know.

    `choice` stands where the model cannot be read, which loading then says. Where this raises it closes the model.
    """
    try:
        device = await probe_to_compute()
        has_gpu = device.webgpu is not None and not device.webgpu.is_software
        # Reading takes longer than all the rest, and without a GPU nothing depends on it.
        demand = await _demand(storage, source) if has_gpu else NO_DEMAND
        return choice if demand is None else decide(device, demand, threads=threads)
    except BaseException:
        close_source(storage, source)
        raise


async def _demand(storage: Storage, source: Source) -> Demand | None:
    """None for a model that cannot be read."""
    beside: list[Storage] = []
    try:
        return demand_of_graph(await read_with_files_beside(storage, source, beside, None, no_progress))
    except IntabError:
        return None
    finally:
        for one in beside:
            close_source(one, source)
