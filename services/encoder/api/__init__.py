"""The gRPC interface of the encoder: messages to domain calls and back."""
