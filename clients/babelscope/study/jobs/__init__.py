"""Jobs of the trainer that a study enters."""
