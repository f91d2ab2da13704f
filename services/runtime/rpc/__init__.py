"""What every call passes on its way (tokens, limits, deadlines, errors), and what every server answers (health)."""
