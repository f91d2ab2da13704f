"""The gRPC interface of the datagen service: messages to domain calls and back."""
