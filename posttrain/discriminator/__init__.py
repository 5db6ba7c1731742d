"""The rule discriminator: log-odds of each operator against normal, for every time step and channel."""
