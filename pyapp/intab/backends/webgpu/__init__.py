"""Programs on WebGPU."""
