"""Jobs in the form of other tools that keep track of experiments."""
