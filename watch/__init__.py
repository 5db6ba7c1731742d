"""New data as they arrive: read, order, score, and report events, each exactly once."""
