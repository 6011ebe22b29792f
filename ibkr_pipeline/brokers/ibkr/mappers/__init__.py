"""From payloads to typed frames: pure, vectorized, one module per subject."""
