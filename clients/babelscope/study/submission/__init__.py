"""Studies as jobs: a study file and all that it names, handed to a trainer that runs it on the mesh."""
