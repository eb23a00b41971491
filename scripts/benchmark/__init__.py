"""What scripts/bench.py measures, and how: one module for each question."""
