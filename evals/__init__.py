"""APE room: evals."""
