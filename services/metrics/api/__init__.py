"""Doors of the metrics service that need no views: one file a family of calls, mixed into the servicer."""
