"""From greys to phases: recipes run on scans, looked at and checked."""
