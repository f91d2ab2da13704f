"""The servers of the mesh."""
