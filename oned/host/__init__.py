"""The host: its document, its states, and what the monitor tells of it."""
