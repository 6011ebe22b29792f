"""Tests of the reader of Flex statements."""
