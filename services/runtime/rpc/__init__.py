"""What every call passes on its way (limits, deadlines, errors), and what every server answers (health, reflection)."""
