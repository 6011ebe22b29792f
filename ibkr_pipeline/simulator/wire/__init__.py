"""The TWS socket protocol: framing, message layouts and request parsing."""
