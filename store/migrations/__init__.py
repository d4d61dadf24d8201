"""The schema, as ordered migrations; ``store.migrate`` runs them as the owner."""
