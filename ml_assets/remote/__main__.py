"""``python -m ml_assets.remote``: what a Databricks job of ours starts."""

from __future__ import annotations

from ml_assets.remote import main

if __name__ == "__main__":
    main()
