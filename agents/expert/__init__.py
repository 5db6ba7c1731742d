"""The embedded expert: one module for each agent's decisions, and the chat model that calls them."""
