"""The ape command."""
