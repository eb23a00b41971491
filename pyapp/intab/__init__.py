"""intab: AI in the browser tab, written in Python.

    session = await intab.load("model.onnx")
    outputs = await session.run({"x": array})
    reader = await intab.pipeline("ocr")
    print(await intab.probe())  # what this device has, and what is missing why

    programs = intab.BrowserStore()  # what is compiled now is only read at the next visit
    session = await intab.load("model.onnx", programs=programs)

Names are imported when they are first used, so that `import intab` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intab.backends.device_tensor import DeviceTensor
    from intab.browser.store import BrowserStore
    from intab.errors import IntabError
    from intab.pipelines import pipeline
    from intab.runtime.gpu import gpu
    from intab.runtime.load import load
    from intab.runtime.probe import Device, probe
    from intab.runtime.session import Session, TensorInfo

__version__ = "0.1.0"

__all__ = [
    "BrowserStore",
    "Device",
    "DeviceTensor",
    "IntabError",
    "Session",
    "TensorInfo",
    "__version__",
    "gpu",
    "load",
    "pipeline",
    "probe",
]

_HOMES = {
    "BrowserStore": "intab.browser.store",
    "Device": "intab.runtime.probe",
    "DeviceTensor": "intab.runtime",
    "IntabError": "intab.errors",
    "Session": "intab.runtime",
    "TensorInfo": "intab.runtime",
    "gpu": "intab.runtime.gpu",
    "load": "intab.runtime",
    "pipeline": "intab.pipelines",
    "probe": "intab.runtime.probe",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'intab' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return __all__
