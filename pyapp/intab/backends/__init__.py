"""What runs a model: reference (numpy), wasm."""
