"""Scripts that an export contains: they import nothing of APE."""
