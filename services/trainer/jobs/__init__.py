"""The job table: SQL is the truth of what is to do, what is being done, and what came of it."""
