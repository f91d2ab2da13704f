"""Running text: edits with offsets, and closest spans."""
