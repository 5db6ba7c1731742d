"""Conversations with the embedded guide, held again by a program and written down."""
