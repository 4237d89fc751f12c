"""What alembic runs: the revisions over the connection it is given, in batch mode (SQLite cannot alter columns)."""

from alembic import context

from oned.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
