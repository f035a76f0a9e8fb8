"""The Review tab: what a team lead sets up, looks at and decides."""
