"""Declared studies: found, read, judged."""
