"""Drivers of datastores."""
