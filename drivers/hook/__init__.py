"""The hook driver."""
