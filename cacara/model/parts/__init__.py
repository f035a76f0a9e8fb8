"""Model parts between the encoders and the shared space, one a file."""
