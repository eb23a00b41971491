"""Inside Pyodide: programs that the host compiled, run on this browser's GPU, so that only numbers come out."""

import io
import json
import zipfile
from dataclasses import asdict

import numpy as np

from intab.backends.webgpu.device import shared_gpu, target_of
from intab.backends.webgpu.executable import prepare
from intab.browser import net
from intab.errors import IntabError
from intab.graph.storage import MemoryStorage
from intab.program.serialize import from_bytes


async def target():
    """The fields of this GPU's target."""
    fields = asdict(target_of((await shared_gpu()).info))
    return {**fields, "features": sorted(fields["features"])}


async def run(url):
    """Run each program of an archive over its feeds.

    The archive holds, a case, `name.program`, `name.npz` with its feeds and `name.json` with its sizes and fetches.
    Returns an .npz of "name/output" arrays as bytes, and name -> error for those that failed.
    """
    gpu = await shared_gpu()
    storage = await net.fetch(url)
    archive = zipfile.ZipFile(io.BytesIO(bytes(storage.read(0, storage.nbytes))))
    storage.dispose()
    outputs: dict[str, np.ndarray] = {}
    errors: dict[str, str] = {}
    for name in sorted({file.rpartition(".")[0] for file in archive.namelist()}):
        told = json.loads(archive.read(f"{name}.json"))
        with np.load(io.BytesIO(archive.read(f"{name}.npz"))) as saved:
            feeds = dict(saved)
        try:
            found = await _run_one(gpu, archive.read(f"{name}.program"), feeds, told)
        except IntabError as error:
            errors[name] = f"{type(error).__name__}: {error}"
            continue
        outputs |= {f"{name}/{output}": array for output, array in found.items()}
    file = io.BytesIO()
    np.savez(file, **outputs)
    return file.getvalue(), errors


async def _run_one(gpu, data, feeds, told):
    stored = from_bytes(data, MemoryStorage("none", b""), target_of(gpu.info))
    executable = await prepare(stored.program, gpu, stored.module)
    try:
        return await executable.run(feeds, told["sizes"], told["fetches"])
    finally:
        executable.dispose()
