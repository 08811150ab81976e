"""What the files are held to at the geometry of DistilHuBERT, and what the committed measurements say of it."""

import pandas as pd

from sercore import paths
from sercore.deployment import report

GAIN = ["gain", "gain_low", "gain_high"]
# Goal: whether less is better, what has to be reached, what is aimed at. Speed is of 8 s on one thread, against files that
# took turns in the same process; 24,117,248 bytes are the 23 MB (in binary) of section V-A. A runtime fails a file that it
# refuses or answers otherwise.
TARGETS = {
    "times as fast as fp32": (False, 2.0, 3.0),
    "times as fast as the paper's recipe": (False, 1.6, 2.5),
    "bytes of the largest 8-bit file": (True, 24_117_248, 24_117_248),
    "bytes of w8w4": (True, 23_000_000, 16_000_000),
    "shipped files with ConvInteger": (True, 0, 0),
    "highest IR of a shipped file": (True, 8, 8),
    "highest opset of a shipped file": (True, 18, 18),
    "runtimes that fail a shipped file": (True, 0, 0),
    "UA points lost by w8": (True, 0.5, 0.2),
    "UA points lost by the fastest": (True, 1.0, 0.5),
}


def targets() -> pd.DataFrame:
    """Goals with what has to be reached, what is aimed at, what results/open has measured, and which of both it reaches.

    Returns:
        A row per goal: at least, aim, measured (numbers) and reached ("aim", "at least" or "neither"); empty before
        anything was measured.
    """
    if not (paths.results_root() / "open" / "quantization_latency.csv").is_file():
        return pd.DataFrame(columns=["at least", "aim", "measured", "reached"])
    table = pd.DataFrame.from_dict(TARGETS, orient="index", columns=["less", "at least", "aim"])
    table["measured"] = pd.Series(_measured())
    table["reached"] = [_reached(*row) for row in table[["less", "at least", "aim", "measured"]].itertuples(index=False)]
    return table.drop(columns="less")


def told(table: pd.DataFrame) -> pd.DataFrame:
    """`targets` as text."""
    numbers = table[["at least", "aim", "measured"]]
    return numbers.map(lambda number: f"{number + 0:,.2f}".removesuffix(".00")).join(table[["reached"]])


def at_a_glance() -> pd.DataFrame:
    """What results/open says of each scheme, as text: size, speed for 8 s on one thread, UA on the target corpus."""
    sizes, latency, _, target = (table.set_index("scheme") for table in _tables())
    times = report.at(latency.reset_index(), sizes)["milliseconds"]
    told = {
        "MB": sizes["MB"].map("{:.1f}".format),
        "times as fast as fp32": (times["fp32"] / times).map("{:.2f}".format),
        "UA against fp32 (points)": [
            f"{gain:+.2f} [{low:+.2f}, {high:+.2f}]" for gain, low, high in 100 * target.loc[sizes.index, GAIN].to_numpy()
        ],
    }
    return pd.DataFrame(told).drop(index="fp32")


def _tables() -> list[pd.DataFrame]:
    names = ("sizes", "latency", "losses_hold_out", "losses_target")
    return [pd.read_csv(paths.results_root() / "open" / f"quantization_{name}.csv") for name in names]


def _measured() -> dict[str, float]:
    sizes, latency, hold_out, target = _tables()
    shipped = sizes.set_index("scheme").loc[report.SHIPPED]
    times = report.at(latency, sizes.set_index("scheme"))["milliseconds"]
    fastest = report.best(times.to_frame())
    gains = pd.concat([hold_out, target]).groupby("scheme")["gain"].min()
    bad = report.compatibility()[report.SHIPPED].map(lambda cell: cell.startswith("refused") or cell.endswith(report.OTHER_ANSWER))
    found = (
        times["fp32"] / times[fastest],
        times[report.CONTROL] / times[fastest],
        shipped["bytes"].drop("w8w4").max(),
        shipped.loc["w8w4", "bytes"],
        shipped["integer operators"].str.contains("ConvInteger").sum(),
        shipped["IR"].max(),
        shipped["opset"].max(),
        bad.any(axis=1).groupby(level="runtime").any().sum(),
        -100 * gains["w8"],
        -100 * gains[fastest],
    )
    return dict(zip(TARGETS, map(float, found), strict=True))


def _reached(less: bool, least: float, aim: float, measured: float) -> str:
    within = [measured <= goal if less else measured >= goal for goal in (aim, least)]
    return "aim" if within[0] else "at least" if within[1] else "neither"
