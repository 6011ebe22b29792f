"""The sections of a statement, one subject per module."""
