"""Hooks: which commands oned.conf wants run when something happens to an object."""
