"""Examples to packed steps: pieces within the length limit, frames of special tokens, and the order of an epoch."""
