"""Predictions to scores, tables and figures."""

from sercore.evaluation.metrics import score

__all__ = ["score"]
