"""Predictions to scores, tables and figures."""

from sercore.evaluation.metrics import predictions, score

__all__ = ["predictions", "score"]
