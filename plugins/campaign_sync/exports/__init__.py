"""Campaign's export files: their words in a mapping, taking them out of the SFTP area, and reading them strictly.

Not for what is in them (``events/`` and ``consent/``).
"""
