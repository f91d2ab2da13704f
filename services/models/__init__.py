"""From a name to a model in memory: what encoder and trainer share."""
