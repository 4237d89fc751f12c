"""`onedb`: checking, saving, restoring and upgrading the data base."""

from oned.onedb.command import main

__all__ = ["main"]
