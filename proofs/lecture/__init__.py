"""The lecture's equations and items, one file a theorem."""
