"""Maps between two spaces: one file a method, all with `fit`; what they answer can `transform`."""
