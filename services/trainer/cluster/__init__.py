"""Jobs on Ray: the same processes as without it, each held by an actor on a machine that has room for it."""
