"""A reproducible benchmark of posterior collapse in text VAEs."""
