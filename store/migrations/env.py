"""Alembic's entry: run the migrations on the connection that ``store.migrate`` opens, in one transaction."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="schema_version",
    version_table_schema="conduit",
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
