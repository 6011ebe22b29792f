"""Typed frames in, keyed and deduplicated frames out. Pure Polars, no I/O."""
