"""WebAssembly in the browser, as a `Machine`."""

from intab.browser.wasm import WasmInstance, WasmMemory, instantiate, validate
from intab.kernels.wasm import PAGE_NBYTES, relaxed_simd_probe
from intab.target import WASM_RELAXED_SIMD, WASM_SIMD

# The most a 32-bit memory can be. Reserved address space, not memory.
MAXIMUM_NBYTES = 65536 * PAGE_NBYTES


class BrowserMachine:
    """One linear memory of the tab and the modules over it."""

    def __init__(self) -> None:
        """Raises OutOfMemoryError when the browser cannot give even a small memory."""
        self.target = WASM_RELAXED_SIMD if validate(relaxed_simd_probe()) else WASM_SIMD
        self.memory = WasmMemory(PAGE_NBYTES, MAXIMUM_NBYTES)

    async def instantiate(self, module: bytes) -> WasmInstance:
        return await instantiate(module, self.memory)

    def dispose(self) -> None:
        self.memory.dispose()
