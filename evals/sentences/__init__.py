"""Labelled sentences, and how well each way to understand sentences does on them."""
