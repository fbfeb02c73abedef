"""The digital twin through the whole chain, beside its true values."""
