"""The benchmark as tables of text."""

import json
from inspect import signature
from pathlib import Path

import numpy as np
import pandas as pd

from sercore import paths
from sercore.deployment.benchmark import MB, MIB, load_times, peak_memory
from sercore.deployment.quantize import SCHEMES, quantize
from sercore.training.runs import write_table

SECONDS, THREADS = (1, 3, 8), (1, 2)
CONTROL = "paper"  # not for shipping
OTHER_ANSWER = ", other answer"
SHIPPED = [scheme for scheme in SCHEMES if scheme not in ("fp32", CONTROL)]


def folder(experiment) -> Path:
    """Where the files of the benchmarked geometry are kept."""
    return paths.runs_root() / experiment.profile / f"geometry-{experiment.geometry}"


def repeats(experiment) -> int:
    """Turns per latency: fewer where a single one takes long."""
    return 15 if experiment.geometry == "distilhubert-scratch" else 30


def schemes() -> pd.DataFrame:
    """What each scheme is."""
    return pd.DataFrame({"recipe": pd.Series(SCHEMES)})


def sizes(table: pd.DataFrame) -> pd.DataFrame:
    """`benchmark.sizes` as text."""
    numbers = {"bytes": "{:,}", "MB": "{:.2f}", "MiB": "{:.2f}", "IR": "{}", "opset": "{}", "nodes": "{}"}
    told = pd.DataFrame({name: table[name].map(form.format) for name, form in numbers.items()})
    return told.assign(**{"integer operators": table["integer operators"]})


def at(latency: pd.DataFrame, table: pd.DataFrame, threads: int = 1) -> pd.DataFrame:
    """Schemes with their size and their milliseconds for the longest waveform.

    Args:
        latency: from `benchmark.latency_table`.
        table: from `benchmark.sizes`.
        threads: of the latency.
    """
    chosen = latency[(latency["seconds"] == max(SECONDS)) & (latency["threads"] == threads)].set_index("scheme")
    times = 1000 * chosen.loc[table.index, ["median", "low", "high"]]
    return times.rename(columns={"median": "milliseconds"}).join(table[["MB"]])


def best(longest: pd.DataFrame) -> str:
    """The fastest scheme that ships."""
    return longest.loc[SHIPPED, "milliseconds"].idxmin()


def latency(table: pd.DataFrame) -> pd.DataFrame:
    """Milliseconds with quartiles by threads and seconds, and the speed against fp32 and real time for the longest."""
    told = {}
    for (threads, seconds), own in table.groupby(["threads", "seconds"]):
        own = own.set_index("scheme")
        ms = 1000 * own[["median", "low", "high"]]
        key = f"{threads} thread{'s' * (threads > 1)}"
        told[key, f"{seconds:g} s"] = [f"{median:.1f} ({low:.1f}–{high:.1f})" for median, low, high in ms.to_numpy()]
        if seconds == max(SECONDS):
            told[key, "× fp32"] = (own.loc["fp32", "median"] / own["median"]).map("{:.2f}".format).to_list()
            told[key, "real time"] = own["rtf"].map("{:.4f}".format).to_list()
    return pd.DataFrame(told, index=table["scheme"].unique())


def memory(files: dict[str, Path]) -> pd.DataFrame:
    """Load time, and the peak memory of a process that loads a file and runs it once."""
    loads = load_times(files)
    peaks = {name: peak_memory(file, max(SECONDS)) for name, file in files.items()}
    rows = {
        name: {"load (ms)": f"{1000 * loads[name]:.0f}"} | {f"{stage} (MB)": f"{size / MB:.0f}" for stage, size in own.items()}
        for name, own in peaks.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def floors(table: pd.DataFrame) -> pd.DataFrame:
    """`cost.floors` as text, with the total."""
    whole = pd.concat([table, table.sum().to_frame("total").T])
    forms = {name: "{:.1%}" if name == "share" else "{:,.1f}" for name in whole}
    return pd.DataFrame({name: whole[name].map(form.format) for name, form in forms.items()})


def distance(table: pd.DataFrame, longest: pd.DataFrame) -> pd.DataFrame:
    """How many times its floor each scheme takes; w8 computes in float."""
    total, rows = table.sum(), {}
    for name, taken in longest["milliseconds"].items():
        kind = "fp32" if name in ("fp32", "w8") else "int8"
        floor = total[f"{kind} at least (ms)"]
        rows[name] = {"takes (ms)": f"{taken:.0f}", "at least (ms)": f"{floor:.0f} ({kind})", "times its floor": f"{taken / floor:.1f}"}
    return pd.DataFrame.from_dict(rows, orient="index")


def methods(table: pd.DataFrame) -> pd.DataFrame:
    """`benchmark.calibration_methods` as text; the one in use is marked."""
    told = {
        "mean drift": table["drift_mean"].map("{:.5f}".format),
        "largest drift": table["drift_most"].map("{:.4f}".format),
        "equal answers": table["agreement"].map("{:.1%}".format),
    }
    usual = signature(quantize).parameters["method"].default
    return pd.DataFrame(told).rename(index={usual: f"{usual} (in use)"})


def losses(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """`benchmark.losses` of several sets of utterances as text."""
    parts = {}
    for where, table in tables.items():
        told = {"WA": table["WA"].map("{:.3f}".format), "UA": table["UA"].map("{:.3f}".format)}
        told["UA against fp32 (points)"] = [
            f"{gain:+.2f} [{low:+.2f}, {high:+.2f}]" for gain, low, high in 100 * table[["gain", "gain_low", "gain_high"]].to_numpy()
        ]
        told["equal answers"] = table["agreement"].map("{:.1%}".format)
        told["mean drift"], told["largest drift"] = table["drift_mean"].map("{:.4f}".format), table["drift_most"].map("{:.3f}".format)
        parts[where] = pd.DataFrame(told, index=table.index)
    return pd.concat(parts, names=["utterances", "scheme"]).reset_index()


def with_size(table: pd.DataFrame, files: dict[str, Path]) -> pd.DataFrame:
    """Losses beside the megabytes of the files that made them."""
    return table.assign(MB=[files[name].stat().st_size / MB for name in table.index])


def keep(experiment, **tables: pd.DataFrame) -> None:
    """Writes what was measured beside the files it was measured on, for `make results` to take.

    Args:
        experiment: names the folder.
        tables: by name.
    """
    for name, table in tables.items():
        write_table(folder(experiment) / f"{name}.csv", table)


def compatibility() -> pd.DataFrame:
    """results/open/compatibility.json: the largest change of a probability per model, runtime and scheme, or its refusal."""
    file = paths.results_root() / "open" / "compatibility.json"
    if not file.is_file():
        return pd.DataFrame()
    tables = {}
    for model, found in json.loads(file.read_text())["models"].items():
        rows = {
            _short(runtime): {scheme: _drift(own, found["expected"][scheme]) for scheme, own in answered.items()}
            for runtime, answered in found["runtimes"].items()
        }
        tables[model] = pd.DataFrame.from_dict(rows, orient="index")[[*SCHEMES]]
    return pd.concat(tables, names=["model", "runtime"])


def _short(runtime: str) -> str:
    """The version of ONNX Runtime, with "web" before it where it is the browser's."""
    return runtime.removeprefix("onnxruntime").removeprefix("-").split(" (")[0].strip()


def _drift(answered: dict, expected: dict) -> str:
    if "error" in answered:
        return f"refused: {answered['error'][:60]}"
    if "error" in expected:
        return "runs"
    pairs = [(np.array(answered[name]), np.array(expected[name])) for name in expected]
    same = all(one.argmax() == other.argmax() for one, other in pairs)
    return f"{max(np.abs(one - other).max() for one, other in pairs):.0e}" + ("" if same else OTHER_ANSWER)


def findings(table: pd.DataFrame, times: pd.DataFrame, tables: dict[str, pd.DataFrame], experiment) -> dict[str, str]:
    """What the page says in words."""
    longest = at(times, table)
    fastest, smallest = best(longest), table.loc[SHIPPED, "bytes"].idxmin()
    taken, loss = longest["milliseconds"], tables["target"].loc[fastest]
    return {
        "geometry": experiment.geometry,
        "smallest": smallest,
        "smallest_size": _size(table.loc[smallest, "bytes"]),
        "fastest": fastest,
        "fastest_size": _size(table.loc[fastest, "bytes"]),
        "faster_than_fp32": f"{taken['fp32'] / taken[fastest]:.2f}",
        "faster_than_paper": f"{taken[CONTROL] / taken[fastest]:.2f}",
        "fastest_gain": f"{100 * loss['gain']:+.2f}",
        "fastest_interval": f"{100 * loss['gain_low']:+.2f} to {100 * loss['gain_high']:+.2f}",
    }


def _size(count: int) -> str:
    return f"{count / MB:.1f} MB ({count / MIB:.1f} MiB)"
