"""Protocols rooms meet at."""
