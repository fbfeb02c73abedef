"""What comes into a catalog: scans, labels, folders, sheets, whole declared studies."""
