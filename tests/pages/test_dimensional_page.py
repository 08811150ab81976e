"""Correlation, squared error and CCC of the same predictions, moved and stretched."""

import numpy as np
import pytest

RATING = np.array([1.0, 2.0, 3.0, 4.0])


@pytest.mark.parametrize(
    ("prediction", "scores"),
    [
        (RATING, (1, 0, 1)),
        (RATING + 1, (1, 1, 5 / 7)),  # variances 1.25: 2.5 / (2.5 + 1)
        (2.5 + 2 * (RATING - 2.5), (1, 1.25, 0.8)),  # covariance 2.5, variances 1.25 and 5: 5 / 6.25
        (np.array([2.0, 2.0, 3.0, 3.0]), (0.5 / np.sqrt(1.25 * 0.25), 0.5, 2 / 3)),
    ],
    ids=["equal", "one too high", "exaggerated", "timid"],
)
def test_worked_examples(page_functions, prediction, scores):
    found = page_functions("dimensional").compare(RATING, prediction)
    assert [*found.values()] == pytest.approx([*scores])
