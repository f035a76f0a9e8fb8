"""Training data: corpora, translations, features, batches, reports and the frozen benchmarks' builders."""
