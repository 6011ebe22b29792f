"""Tests of the application flow."""
