"""Speed, as ratios in one run against what a user would pick instead and against the machine's own limit."""
