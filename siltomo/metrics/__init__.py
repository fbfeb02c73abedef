"""Registered, versioned quantities with declared units."""
