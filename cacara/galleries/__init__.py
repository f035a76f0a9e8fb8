"""Galleries: which sounds and pictures are searched, where they lie, and what is known of them."""
