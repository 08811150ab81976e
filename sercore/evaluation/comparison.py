"""The paper's footprint and accuracy against its peers', each beside its protocol."""

import pandas as pd

from sercore.config import FOLDS
from sercore.evaluation.published import peers, printed, published_counts, published_loso

OWN, BASELINE, FROZEN = "DistilHuBERT (the paper)", "wav2vec 2.0 Base", "DistilHuBERT"
COLUMNS = ["system", "parameters", "metric", "value", "spread", "corpus", "protocol", "speakers", "source", "note"]
SUPERB, GLOBAL = "LOSO, frozen (SUPERB)", "LOSO 3/1/1, frozen, normalized globally"
FLOAT32, INT8 = 4, 1  # bytes per parameter
MB, MIB = 10**6, 2**20


def systems() -> pd.DataFrame:
    """Every score on IEMOCAP, one row each: system, parameters, metric, value (percent), protocol and the rest."""
    return _scores("IEMOCAP")


def cross_corpus() -> pd.DataFrame:
    """Every score of a system that was trained on IEMOCAP and tested on RAVDESS, in the same columns."""
    return _scores("IEMOCAP to RAVDESS")


def _scores(corpus: str) -> pd.DataFrame:
    rows = peers()
    sizes = rows[rows["metric"] == "parameters"].set_index("system")["value"].astype(int)
    rows = rows[rows["corpus"] == corpus]
    return rows.assign(parameters=rows["system"].map(sizes))[COLUMNS].reset_index(drop=True)


def told(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores as text, with as many digits as are printed: one where a spread stands beside them, else two."""
    digits = scores["spread"].isna().map({True: 2, False: 1})
    value = [f"{row.metric} {row.value:.{n}f}" for row, n in zip(scores.itertuples(), digits)]
    spread = scores["spread"].map(" ± {:.1f}".format, na_action="ignore").fillna("")
    return pd.DataFrame(
        {
            "system": scores["system"],
            "score (%)": value + spread,
            "protocol": scores["protocol"],
            "million parameters": (scores["parameters"] / 1e6).map("{:.2f}".format),
            "test speakers": scores["speakers"],
            "source": scores["source"],
            "remark": scores["note"],
        }
    )


def arithmetic() -> dict[str, float]:
    """What the printed sizes, scores and counts give when they are put together; shares are fractions."""
    own, full = _value(OWN, "parameters"), _value(BASELINE, "parameters")
    own_ua, full_ua = printed("UA", "abstract"), printed("UA", "IV-B", "wav2vec2")
    alike = _value(BASELINE, "UA", GLOBAL)
    whole = published_counts()["total"]
    session_share = (len(FOLDS) - 2) / len(FOLDS)  # one session tests, one validates
    sd, sd_both = published_loso().loc["WA"].xs("spread", level=1)
    frozen = {system: _value(system, "accuracy", SUPERB) for system in (FROZEN, BASELINE)}
    return {
        "by_parameters": 1 - own / full,
        "by_printed_sizes": 1 - printed("footprint", "abstract") / printed("footprint", "IV-B"),
        "by_mixed_bytes": 1 - own * INT8 / (full * FLOAT32),
        "int8_bytes": own * INT8,
        "baseline_bytes": full * FLOAT32,
        "baseline_bytes_each": printed("footprint", "IV-B") * MB / full,
        "share": own_ua / full_ua,
        "share_alike": own_ua / alike,
        "share_frozen": frozen[FROZEN] / frozen[BASELINE],
        "growth": whole["iemocap+cremad"] / whole["iemocap"],
        "growth_of_a_fold": 1 + whole["cremad"] / (session_share * whole["iemocap"]),
        "narrower": 1 - sd_both / sd,
        "narrower_variance": 1 - (sd_both / sd) ** 2,
    }


def _value(system: str, metric: str, protocol: str | None = None) -> float:
    rows = peers()
    found = rows[(rows["system"] == system) & (rows["metric"] == metric)]
    return float((found if protocol is None else found[found["protocol"] == protocol])["value"].item())


def footprint() -> pd.DataFrame:
    """The arithmetic as a table of text: quantity, printed, recomputed, how."""
    text, counts, folds = findings(), published_counts()["total"], len(FOLDS)
    own, full = (f"{_value(system, 'parameters') / 1e6:.2f}M" for system in (OWN, BASELINE))
    own_bytes, full_bytes = f"{own} × {INT8} byte", f"{full} × {FLOAT32} bytes"
    sd, sd_both = published_loso().loc["WA"].xs("spread", level=1).map("{:.3f}".format)
    reduction, share, narrower = text["reduction"], text["printed_share"], text["variance_reduction"]
    small, large, ua = text["footprint"], text["baseline_footprint"], text["UA"]
    kept = f"{folds - 2}/{folds} × {counts['iemocap']:,}"
    growth = f"nearly {printed('training_growth'):g}, in words"
    rows = [
        ("reduction by parameters", reduction, text["by_parameters"], f"1 − {own} / {full}"),
        ("reduction by the printed sizes", reduction, text["by_printed_sizes"], f"1 − {small} / {large}"),
        ("reduction, 8 bits against 32", reduction, text["by_mixed_bytes"], f"1 − {own_bytes} / ({full_bytes})"),
        ("the paper's model in 8 bits", small, text["int8"], own_bytes),
        ("the baseline in 32 bits", large, text["float32"], full_bytes),
        ("bytes per parameter of the baseline", "not printed", text["bytes_each"], f"{large} / {full}"),
        ("share of the baseline's UA", share, text["share"], f"{ua} / {text['baseline_UA']}"),
        ("the same, no normalization by speaker", share, text["share_alike"], f"{ua} / {text['baseline_UA_alike']}"),
        ("growth of the corpora", growth, text["growth"], f"{counts['iemocap+cremad']:,} / {counts['iemocap']:,}"),
        ("growth of a training set, mean", growth, text["growth_of_a_fold"], f"1 + {counts['cremad']:,} / ({kept})"),
        ("fall of the standard deviation of WA", f"{narrower} of variance", text["narrower"], f"1 − {sd_both} / {sd}"),
        ("fall of the variance of WA", narrower, text["narrower_variance"], f"1 − ({sd_both} / {sd})²"),
    ]
    return pd.DataFrame(rows, columns=["quantity", "printed", "recomputed", "how"])


def _sizes(number: float) -> str:
    return f"{number / MB:.1f} MB = {number / MIB:.1f} MiB"


def findings() -> dict[str, str]:
    """What the page says in words."""
    found = arithmetic()
    shares = {name: f"{share:.1%}" for name, share in found.items() if name.startswith(("by_", "share", "narrower"))}
    return shares | {
        "reduction": f"{printed('parameter_reduction'):g}%",
        "printed_share": f"{printed('share_of_baseline'):g}%",
        "variance_reduction": f"{printed('variance_reduction'):g}%",
        "footprint": f"{printed('footprint', 'abstract'):g} MB",
        "int8": _sizes(found["int8_bytes"]),
        "baseline_footprint": f"{printed('footprint', 'IV-B'):g} MB",
        "float32": _sizes(found["baseline_bytes"]),
        "bytes_each": f"{found['baseline_bytes_each']:.2f}",
        "growth": f"{found['growth']:.2f}",
        "growth_of_a_fold": f"{found['growth_of_a_fold']:.2f}",
        "UA": f"{printed('UA', 'abstract'):.1f}%",
        "WA": f"{published_loso().loc['WA', ('iemocap+cremad', 'value')]:.1%}",
        "baseline_UA": f"{printed('UA', 'IV-B', 'wav2vec2'):.1f}%",
        "baseline_UA_alike": f"{_value(BASELINE, 'UA', GLOBAL):.1f}%",
        "light_UA": f"{printed('UA', 'IV-B', 'light-sernet'):.2f}%",
        "light_parameters": f"{_value('LIGHT-SERNET', 'parameters'):,.0f}",
        "frozen": f"{_value(FROZEN, 'accuracy'):.2f}%",
        "frozen_baseline": f"{_value(BASELINE, 'accuracy', SUPERB):.2f}%",
        "lightest_parameters": f"{_value('Wav2Small', 'parameters'):,.0f}",
    }
