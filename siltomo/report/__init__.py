"""Figures and documents made from tables."""
