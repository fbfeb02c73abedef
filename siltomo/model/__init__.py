"""Frozen records and the states, scales and phases they speak of."""
