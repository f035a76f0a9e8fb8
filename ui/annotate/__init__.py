"""The Annotate tab: what people are asked about search results, one question at a time."""
