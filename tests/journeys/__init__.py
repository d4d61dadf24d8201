"""Whole ways through the running product, from an SDK on a corporate machine to a provider and back."""
