"""Studies: ablations and comparisons behind the tables in docs."""
