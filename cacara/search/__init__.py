"""Galleries, indexes and the retriever that searches them."""
