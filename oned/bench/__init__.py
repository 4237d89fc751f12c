"""The bench: a fixed set of measurements against a real oned on simulated drivers. `python -m oned.bench` runs it."""
