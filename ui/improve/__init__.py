"""Improving the model with what people said of its results: collect, train, look, promote."""
