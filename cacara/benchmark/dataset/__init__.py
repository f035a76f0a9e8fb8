"""The frozen benchmarks: their rows, the rules over them, and their splits."""
