"""Rows and what a mapping makes of them: filter, map, replace, check; and rows at rest between tasks."""
