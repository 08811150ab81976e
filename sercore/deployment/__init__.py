"""From a run to what others can use."""

from sercore.deployment.card import write_card

__all__ = ["write_card"]
