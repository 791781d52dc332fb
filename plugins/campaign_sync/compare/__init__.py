"""The comparison of both systems in full: what Campaign should hold beside what it holds, and mending (C5)."""
