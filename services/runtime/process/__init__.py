"""The process of a server, before and beside what it serves."""
