"""Files of models: where they come from, what is in them, and their digests."""
