"""Other clients of the TWS protocol against the simulated broker; `python -m interop` runs them."""
