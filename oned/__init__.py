"""oned: a virtual infrastructure engine. The packages and who may import whom: share/doc/design/001-engine.md."""

__version__ = "0.1.0"
