"""Programs on WebAssembly, in the browser and under wasmtime."""
