"""Predictions to scores and their intervals; embeddings to normalized ones."""

from sercore.evaluation.bootstrap import bootstrap_scores, bootstrap_shares, draw_speakers, summarize_draws
from sercore.evaluation.metrics import score, score_dimensions, tabulate_predictions, tabulate_ratings
from sercore.evaluation.normalization import align_moments, fit_moments
