"""uCLIP: projectors from unpaired data."""
