"""What stands between the encoders and the shared space, one part a file."""
