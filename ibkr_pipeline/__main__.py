"""`python -m ibkr_pipeline`: the same program as `ibkr-pipeline`."""

from __future__ import annotations

from ibkr_pipeline.cli import main

if __name__ == "__main__":
    main()
