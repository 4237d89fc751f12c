"""Trying a driver: does a program keep the line protocol? A process is driven through declared checks."""
