"""One row for each scan, with the state of its cell and any metric beside it."""
