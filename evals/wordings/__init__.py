"""What people say to the guide, and the share of it that the embedded guide understands."""
