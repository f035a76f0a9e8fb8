"""Reports of benchmarks as Markdown, and of comparisons as one HTML file."""
