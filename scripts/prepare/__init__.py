"""What scripts/setup.py does, step by step. Standard library only: nothing is installed yet when it runs."""
