"""How servers are reached: channels, retries, statuses, health."""
