"""Pictures aligned to the frozen text space."""
