"""One file format, one module, one callable."""
