"""Tests of statements on their way into core."""
