"""From many streams to batches of one device, and back."""
