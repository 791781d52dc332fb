"""Drafts mapping files from the metadata of both systems (P3)."""
