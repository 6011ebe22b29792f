"""Frozen messages that travel between rooms. No behaviour beyond describing themselves."""
