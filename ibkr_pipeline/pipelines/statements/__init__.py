"""Statements: obtained, read, staged, landed and brought into core."""
