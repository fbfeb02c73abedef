"""Exact measurements on arrays: counts, surfaces, distances, thickness, components."""
