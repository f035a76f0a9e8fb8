"""The SQLite store: the only place that holds SQL."""
