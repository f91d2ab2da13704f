"""Several workers on one training: how a step is split among them, and how they add up their gradients."""
