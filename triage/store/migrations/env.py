"""Alembic's environment: migrates over the connection that `triage.store.database.upgrade` hands in."""

from alembic import context

from triage.store.calibration_tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,  # all or none, on SQLite too
)
with context.begin_transaction():
    context.run_migrations()
