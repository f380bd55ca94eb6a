"""Alembic's entrance: it works on the connection that hayon.store.migrate hands in, and on no other."""

from alembic import context

from hayon.store.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    user_module_prefix="hayon.store.database.",
)
with context.begin_transaction():
    context.run_migrations()
