"""The ``ape`` command."""
