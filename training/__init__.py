"""Everything that makes a checkpoint: data, losses, one loop, one file a method."""
