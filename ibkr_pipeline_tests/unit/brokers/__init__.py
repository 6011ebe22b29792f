"""Tests of the broker layer."""
