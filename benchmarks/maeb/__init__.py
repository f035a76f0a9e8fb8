"""Our models on mteb's audio tasks (MAEB, the Massive Audio Embedding Benchmark), and sounds-v1 as tasks of mteb."""
