"""The nine backbones, one module each."""
