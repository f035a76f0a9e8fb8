"""CACARA: sounds aligned to the frozen text space."""
