"""The schema's history: one alembic revision per change of oned.store.tables."""
