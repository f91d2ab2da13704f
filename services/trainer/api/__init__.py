"""The gRPC interface of the trainer: messages to jobs and back."""
