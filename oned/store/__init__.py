"""Durability: the tables, the unit of work, and the thread that commits."""
