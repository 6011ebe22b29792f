"""The tests: unit mirrors the package; the other folders cut across it."""
