"""Tests of the simulated broker's Flex side."""
