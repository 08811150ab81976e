"""Log odds of the aroused emotions, where the corpus names an intensity."""

import numpy as np
import pandas as pd
import pytest

from sercore.labels import EMOTIONS


def test_arousal_is_the_log_odds_of_anger_and_happiness(page_functions):
    part = pd.DataFrame({"utterance": ["a", "b", "c"], "intensity": ["low", "unspecified", "strong"]})
    shares = pd.DataFrame([[0.5, 0.25, 0.15, 0.1], [0.25] * 4, [1.0, 0.0, 0.0, 0.0]], columns=EMOTIONS)
    found = page_functions("arousal").measure_arousal(part, shares.assign(utterance=part["utterance"]))
    assert found["utterance"].tolist() == ["a", "c"]
    assert found["arousal"].iloc[0] == pytest.approx(np.log(3)) and np.isfinite(found["arousal"]).all()
