"""Words of another language in a model's vocabulary, with vectors that were learned elsewhere."""
