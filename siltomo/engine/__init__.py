"""What a user asks for: ingest, plan, run, join, check."""
