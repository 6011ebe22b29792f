"""The tests: unit mirrors the package; contract, property, integration, graph and docs cut across."""
