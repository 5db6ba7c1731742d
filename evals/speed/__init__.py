"""Speed measurements; several compare with reference implementations."""
