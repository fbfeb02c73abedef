"""Electrochemical records: readers, steps, cycles, clock."""
