"""Declared recipes from greys to phases."""
