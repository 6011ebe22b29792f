"""The front door's brokers: what can be read, in types no vendor leaks into."""
