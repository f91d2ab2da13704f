"""Running text: words, edits with offsets, and closest spans."""
