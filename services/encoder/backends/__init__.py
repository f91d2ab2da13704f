"""Where the model runs: one file a back end."""
