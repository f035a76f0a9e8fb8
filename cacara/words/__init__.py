"""Words for the same things in many languages."""
