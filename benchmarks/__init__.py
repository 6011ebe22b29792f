"""Speed claims, each a script that prints a ratio against its reference in one run."""
