"""Consent: what people object to, kept in step between Dynamics' columns and Campaign's opt-out attributes.

Begin with ``rule``, which decides; ``vocabulary`` has the words of the mapping file.
"""
