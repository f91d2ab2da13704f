"""Files that are there whole or not at all: the one atomic writer, and the store with its objects and folders."""
