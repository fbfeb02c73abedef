"""The cycling runs of a catalog: registered, summed up, their clocks aligned."""
