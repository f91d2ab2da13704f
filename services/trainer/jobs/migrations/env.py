"""Alembic's entry: migrations run on the connection that the trainer has opened, in its transaction."""

from alembic import context

from services.trainer.jobs.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
