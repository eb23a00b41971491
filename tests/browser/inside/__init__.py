"""Modules that run inside Pyodide, beside intab: tests/browser/proofs.py puts them there."""
