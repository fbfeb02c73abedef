"""Metrics: what there is, what a question costs, and the rows that answer it."""
