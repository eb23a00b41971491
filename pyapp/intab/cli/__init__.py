"""Desktop commands."""
