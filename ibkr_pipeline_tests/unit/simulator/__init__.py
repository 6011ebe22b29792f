"""The simulated broker."""
