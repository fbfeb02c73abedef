"""Declared datasets and metrics, with units, for X-ray tomography of silicon battery anodes."""
