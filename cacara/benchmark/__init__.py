"""How well models find things: frozen benchmarks, metrics, reports."""
