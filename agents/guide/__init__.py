"""The embedded guide: what a person asks for in words becomes tool calls, and their results become an answer."""
