"""What the pages show: banners, tables, figures, players. The same calls work in a book, in Jupyter and on Colab."""

import base64
import io
import re
from collections.abc import Callable
from html import escape
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import soundfile
from IPython.display import HTML

from sercore.audio_files import SAMPLE_RATE, read_audio
from sercore.data import CORPORA
from sercore.data.preprocessing import MAX_SECONDS
from sercore.labels import COLORS, EMOTIONS
from sercore.page.published import read_open
from sercore.paths import results_root, runs_root, whole_file
from sercore.training.runs import relate_code

METRICS = {"WA": "WA", "UA": "UA", "macro_f1": "macro F1"} | {f"f1_{name}": f"F1 {name}" for name in EMOTIONS}
LONG = 10  # rows; longer tables fold
PACKAGES = ("torch", "transformers", "datasets", "audiomentations", "librosa", "numpy")
BANNERS = {
    "demo": "<strong>Synthetic corpora.</strong> The voices behind these values are generated, so that everything runs "
    "in minutes without a license. The values mean nothing beyond that it runs.",
    "open": "<strong>Open corpora: {arm}.</strong> Measured values. The paper's are from IEMOCAP; they do not compare.",
    "paper": "<strong>The paper's protocol on {arm}.</strong> Measured values; the paper's have columns of their own.",
}


def format_arm(arm: str) -> str:
    """`iemocap+cremad` as a reader knows it: IEMOCAP + CREMA-D."""
    return " + ".join(CORPORA[corpus].title for corpus in arm.split("+"))


def format_origin(experiment) -> str:
    """What the values of an experiment come from."""
    return "synthetic" if experiment.synthetic else "measured"


def show_banner(experiment) -> HTML:
    """Says at the top of a page what the values of an experiment are worth."""
    kind = "demo" if experiment.synthetic else "paper" if experiment.primary == "iemocap" else "open"
    text = BANNERS[kind].format(arm=format_arm(experiment.arm))
    color = COLORS[{"demo": "anger", "open": "happiness", "paper": "sadness"}[kind]]  # as in the book's stylesheet
    style = f"border-left: 5px solid {color}; padding: 0.6em 1em; margin: 1em 0"
    return HTML(f'<div class="banner banner-{kind}" role="note" style="{style}">{text}</div>')


def show_table(frame: pd.DataFrame, caption: str, form=None, index: bool = True, bold=None) -> HTML:
    """A table that scrolls sideways on narrow screens, and folds where it is long; without a row, a sentence.

    Args:
        frame: numbers stay numbers; NaN shows as a dash.
        caption: printed above.
        form: as `pandas.io.formats.style.Styler.format` takes it: "{:.3f}", or a dict of column to format.
        index: print the row labels.
        bold: boolean frame of the same shape; true cells are printed in bold.
    """
    if frame.empty:
        return HTML(f"<p>{escape(caption)} There are none.</p>")
    table = _table(frame, caption, form, index, bold, safe=False)
    if len(frame) > LONG:
        table = f"<details><summary>{escape(caption)} ({len(frame)} rows)</summary>{table}</details>"
    return HTML(table)


def show_gains(found: pd.DataFrame, titles: list[str], caption: str) -> HTML:
    """Scores of two models and the gain in points, each with its 95 % interval.

    Args:
        found: of two models, from `bootstrap_scores`.
        titles: of the one, of the other, of the gain.
        caption: printed above.
    """
    table = found.set_axis(pd.MultiIndex.from_product([titles, ["value", "low", "high"]]), axis=1)
    table[titles[2]] *= 100
    form = dict.fromkeys(table.columns[6:], "{:+.1f}")
    return show_table(table.rename(index=METRICS).rename_axis(None), caption, form)


def show_figure(figure, caption: str, alt: str = "") -> HTML:
    """A figure with its text alternative, sharp at twice its size; without one, a sentence.

    Args:
        figure: matplotlib figure or axes, or the file of a recorded one; None where there is too little to draw.
        caption: printed below.
        alt: says in words what it shows.
    """
    if figure is None:
        return HTML(f"<p>{escape(caption)} There is too little to show it.</p>")
    if isinstance(figure, Path):
        picture = io.BytesIO(figure.read_bytes())
    else:
        figure.figure.savefig(picture := io.BytesIO(), format="webp", dpi=200, pil_kwargs={"quality": 85})
        plt.close(figure.figure)
    look = f'alt="{escape(alt or caption)}" style="width: 100%; max-width: 640px"'
    image = f"<img {look} {_embed(picture, 'image/webp')}>"
    return HTML(f'<figure class="sercore-figure">{image}<figcaption>{escape(caption)}</figcaption></figure>')


def show_players(rows: pd.DataFrame, columns: list[str], caption: str) -> HTML:
    """Utterances one can listen to, as recorded, up to the eight seconds that the model gets.

    Args:
        rows: utterances with `utterance` and `path`, "" where the corpus is not here, which leaves out the players.
        columns: what is printed of each, in this order; "listen" is the player.
        caption: printed above.
    """
    if rows.empty or not rows["path"].all():
        return show_table(rows.filter([name for name in columns if name != "listen"]), caption, index=False)
    cells = rows.map(lambda cell: escape(str(cell)))
    longest = round(MAX_SECONDS * SAMPLE_RATE)
    cells["listen"] = [_player(row.utterance, read_audio(row.path)[:longest], "10rem") for row in rows.itertuples()]
    return HTML(_table(cells[columns], caption, index=False, safe=True))


def show_audio(waveform: np.ndarray, caption: str) -> HTML:
    """A player of a waveform (samples,) at 16 kHz that is in no file."""
    return HTML(f'<p class="table-caption">{escape(caption)}</p>{_player(caption, waveform, "100%")}')


def check_utterances(run, table: pd.DataFrame) -> None:
    """Refuses a table of utterances that is not that of a run's predictions, such as of another version of a corpus."""
    both = run.predictions.merge(table, on=["utterance", "speaker"], how="left")
    if len(other := both[both["y_true"] != both["emotion"]]):
        raise ValueError(
            f"{run.experiment.name}: {len(other)} utterances of its predictions, such as {other['utterance'].iloc[0]}, "
            "are not so in the corpus here. Use the version it was run with, or train anew (SERCORE_RECORDED=no)."
        )


def show_provenance(*runs) -> HTML:
    """One small line a run: everything that is needed to get the same numbers again."""
    return stack(
        *(HTML(f'<p class="provenance" style="font-size: 0.8em">{escape(" · ".join(_facts(run)))}</p>') for run in runs)
    )


def stack(*parts: HTML) -> HTML:
    """Several parts below each other."""
    return HTML("\n".join(part.data for part in parts))


def glue(**values) -> None:
    """Hands values to the prose of the page as {glue:text}`name` or, a number, {glue:text}`name:.3f`.

    Without a book it does nothing.
    """
    try:
        from myst_nb import glue as hand_over
    except ImportError:
        return
    for name, value in values.items():
        hand_over(name, value.item() if isinstance(value, np.generic) else value, display=False)


def record_table(experiment, name: str, table: pd.DataFrame) -> None:
    """Keeps what a page measured in runs/<profile>/tables/<name>.csv, for `make results`; a variant's apart."""
    with whole_file(tables_root(experiment) / f"{name}.csv") as part:
        table.to_csv(part, index=any(table.index.names))


def is_here(folder: Path, *audio) -> bool:
    """Whether a run's folder holds weights, and all audio is on this machine; else a page shows what is recorded."""
    return all(audio) and (folder / "model").is_dir()


def measure_table(experiment, name: str, compute: Callable[[], pd.DataFrame] | None) -> pd.DataFrame:
    """What a page measures, kept as by `record_table`; or, with None, what is recorded, where its audio is not here.

    Raises:
        FileNotFoundError: that is not recorded.
    """
    if compute:
        record_table(experiment, name, table := compute())
        return table
    if (table := read_open(name, experiment.profile)).empty:
        where = f"results/{experiment.profile}"
        raise FileNotFoundError(f"{name} is not recorded in {where}, and measuring it needs the corpora.")
    return table


def find_file(experiment, name: str) -> Path | None:
    """A recorded figure or sound of this profile; None where there is none."""
    file = results_root() / experiment.profile / name
    return file if file.is_file() else None


def tables_root(experiment) -> Path:
    """Folder of what the pages of a profile measured, for `make results`."""
    return runs_root() / experiment.profile / "tables" / experiment.variant


def _facts(run) -> list[str]:
    experiment, where = run.experiment, run.environment
    return [
        f"profile {experiment.profile}, run {experiment.name}",
        f"backbone {experiment.backbone}, {run.metrics['parameters']:,} parameters",
        f"seed {experiment.seed}",
        f"{run.metrics['epochs']} epochs, the best {run.metrics['best_epoch']}",
        f"{where['device']}, {run.history['seconds'].sum():.0f} s",
        f"Python {where['python']}",
        *(f"{name} {where['packages'][name]}" for name in PACKAGES if name in where["packages"]),
        f"commit {where['commit'] or 'none'}",
        relate_code(where, experiment.profile),
        f"started {where.get('started', 'unknown')}",
    ]


def _table(frame: pd.DataFrame, caption: str, form=None, index=True, bold=None, safe=False) -> str:
    """`safe` cells are HTML already."""
    frame = frame if index else frame.reset_index(drop=True)
    style = frame.style.format(form, precision=3, thousands=",", na_rep="–", escape=None if safe else "html")
    for axis in (0, 1):
        style = style.format_index(escape="html", axis=axis)
    if bold is not None:
        marks = np.where(np.asarray(bold, bool), "font-weight: bold", "")
        style = style.apply(lambda _: pd.DataFrame(marks, frame.index, frame.columns), axis=None)
    style = style if index else style.hide(axis="index")
    rows = style.to_html(table_attributes='class="sercore-table"', cell_ids=False)
    rows = re.sub(r'<th class="blank[^>]*>&nbsp;</th>', "<td></td>", rows)  # no heading of anything
    return (
        f'<p class="table-caption">{escape(caption)}</p><div class="table-scroll" style="overflow-x: auto" '
        f'role="region" tabindex="0" aria-label="{escape(caption)}">{rows}</div>'
    )


def _player(name: str, waveform: np.ndarray, width: str) -> str:
    sound = io.BytesIO()
    soundfile.write(sound, waveform, SAMPLE_RATE, format="MP3", bitrate_mode="VARIABLE", compression_level=0.5)
    look = f'aria-label="{escape(name)}" style="width: {width}"'
    return f'<audio controls preload="none" {look} {_embed(sound, "audio/mpeg")}></audio>'


def _embed(file: io.BytesIO, kind: str) -> str:
    return f'src="data:{kind};base64,{base64.b64encode(file.getvalue()).decode()}"'
