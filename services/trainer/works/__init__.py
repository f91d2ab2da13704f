"""What each kind of job does in a process of its own: one file a kind, named in `services.trainer.service`."""
