"""The simulated broker: a TWS gateway on loopback, served from a seeded book."""
