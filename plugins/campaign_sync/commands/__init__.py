"""What each command of `python -m campaign_sync` does; its words are in ``__main__``."""
