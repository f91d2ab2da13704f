"""Messages of the contract that name models and interventions."""
