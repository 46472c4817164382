"""The component types that a ``defs.yaml`` may name; always by this path.

``dg check yaml`` silently skips a component that is named by any other path to its class.
"""

from ml_assets.orchestration.component import ModelComponent

__all__ = ["ModelComponent"]
