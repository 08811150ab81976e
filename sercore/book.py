"""What the pages show: banners, figures, tables, players. The same calls work in a book, in Jupyter and on Colab."""

import base64
import io
import math
from html import escape

import pandas as pd
import soundfile
from IPython.display import HTML
from safetensors import safe_open

from sercore import paths
from sercore.data import CORPORA, MAX_SECONDS, SAMPLE_RATE, read_audio
from sercore.evaluation import plots, tables
from sercore.evaluation.published import open_loso
from sercore.training import find_runs

BANNERS = {
    "demo": (
        "#c1272d",
        "<strong>Synthetic corpora.</strong> The voices behind these values are generated, so that everything runs in "
        "minutes without a license. The values mean nothing beyond that it runs.",
    ),
    "open": (
        "#e8a33d",
        "<strong>Open corpora: {arm}.</strong> Measured values. The paper's are from IEMOCAP; they do not compare.",
    ),
    "paper": (
        "#2b4c8c",
        "<strong>The paper's protocol on {arm}.</strong> Measured values; the paper's have columns of their own.",
    ),
}


def banner(experiment) -> HTML:
    """Says at the top of a page what its values are worth.

    Args:
        experiment: one synthetic corpus makes the page a demo; else the primary corpus decides.
    """
    synthetic = "synthetic" in map(experiment.root, CORPORA)
    kind = "demo" if synthetic else "paper" if experiment.primary == "iemocap" else "open"
    color, text = BANNERS[kind]
    style = f"border-left: 5px solid {color}; padding: 0.6em 1em; margin: 1em 0;"
    told = text.format(arm=tables.arm_title(experiment.arm))
    return HTML(f'<div class="banner banner-{kind}" role="note" style="{style}">{told}</div>')


def figure(drawing, caption: str) -> HTML:
    """A figure with its text alternative; without one, a sentence.

    Args:
        drawing: from `sercore.evaluation.plots`; its label says in words what it shows. None where there is too little.
        caption: printed below.
    """
    if drawing is None:
        return HTML(f"<p>{escape(caption)} There is too little to show it.</p>")
    picture = io.BytesIO()
    drawing.savefig(picture, format="webp", dpi=200, pil_kwargs={"quality": 85})
    source = f"data:image/webp;base64,{_base64(picture)}"
    image = f'<img alt="{escape(drawing.get_label())}" src="{source}" style="width: 100%; max-width: 640px;">'
    below = f"<figcaption>{escape(caption)}</figcaption>"
    return HTML(f'<figure class="sercore-figure" style="margin: 1em 0;">{image}{below}</figure>')


def table(frame: pd.DataFrame, caption: str, index: bool = True, bold: pd.DataFrame | None = None) -> HTML:
    """A table that scrolls sideways on narrow screens; without a row, a sentence.

    Args:
        frame: cells are printed as they are.
        caption: printed above.
        index: print the row labels.
        bold: true where a cell is printed in bold; the same shape.
    """
    if frame.empty:
        return HTML(f"<p>{escape(caption)} There are none.</p>")
    cells = frame.map(lambda cell: escape(str(cell)))
    return HTML(_table(cells if bold is None else cells.mask(bold, "<strong>" + cells + "</strong>"), caption, index))


def remarks(lines: list[str]) -> HTML:
    """What has to be known of the runs before their table is read; nothing where there is nothing to say."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return HTML(f'<ul class="remarks" role="note">{items}</ul>' * bool(lines))


def players(rows: pd.DataFrame, columns: list[str], caption: str) -> HTML:
    """Utterances one can listen to, as recorded, up to the eight seconds that the model hears.

    Args:
        rows: utterances with `utterance` and `path`.
        columns: what is printed of each, in this order; "listen" is the player.
        caption: printed above.
    """
    cells = rows.map(lambda cell: escape(str(cell)))
    cells["listen"] = [_player(row.utterance, _heard(row.path)) for row in rows.itertuples()]
    return HTML(_table(cells[columns], caption, index=False))


def sound(waveform, caption: str) -> HTML:
    """A player of a waveform that is in no file.

    Args:
        waveform: float (samples,) at 16 kHz.
        caption: printed above.
    """
    return HTML(f'<p class="table-caption">{escape(caption)}</p>{_player(caption, waveform, "100%")}')


def most_wrong(run, split, n: int = 6) -> HTML:
    """The test utterances to which a run gives the highest probability of a wrong emotion.

    Args:
        run: a finished run.
        split: its split, which knows the audio files.
        n: how many.
    """
    wrong = run.predictions[run.predictions["predicted"] != run.predictions["truth"]]
    if wrong.empty:
        return HTML("<p>Every test utterance is recognized.</p>")
    wrong = wrong.assign(confidence=[row[row["predicted"]] for _, row in wrong.iterrows()])
    worst = wrong.nlargest(n, "confidence").merge(split.test[["utterance", "path"]], on="utterance")
    worst["confidence"] = worst["confidence"].map("{:.0%}".format)
    caption = f"The {len(worst)} most confident of {len(wrong)} errors among {len(run.predictions)} test utterances."
    return players(worst, ["truth", "predicted", "listen", "confidence", "utterance", "speaker"], caption)


def examples(corpus: pd.DataFrame, audio) -> HTML:
    """One utterance per emotion: what the model gets of it as a spectrogram, and the recording.

    Args:
        corpus: one corpus, from `with_audio`.
        audio: its audio, in the same order.
    """
    chosen = tables.examples(corpus)
    waveforms = {row.emotion: audio[row.Index]["waveform"] for row in chosen.itertuples()}
    title = f"{tables.TITLES[chosen['corpus'].iloc[0]]}, speaker {', '.join(chosen['speaker'].unique())}"
    drawn = figure(plots.spectrograms(waveforms, SAMPLE_RATE), f"{title}: what the model gets.")
    shown = chosen.assign(seconds=chosen["duration"].map("{:.1f}".format))
    return together([drawn, players(shown, ["emotion", "listen", "seconds", "utterance"], f"{title}: the recordings.")])


def durations(corpus: pd.DataFrame, max_seconds: float) -> HTML:
    """How long the recordings of a corpus are, against the longest input of the model."""
    title = tables.TITLES[corpus["corpus"].iloc[0]]
    return figure(plots.durations(corpus, max_seconds), f"{title}: duration of the recordings.")


def together(parts) -> HTML:
    """Several pieces below each other."""
    return HTML("\n".join(part.data for part in parts))


def provenance(run) -> HTML:
    """One small line: everything that is needed to get the same numbers again."""
    experiment, where = run.experiment, run.environment
    packages = ("torch", "transformers", "datasets", "audiomentations", "librosa", "numpy")
    facts = [
        f"profile {experiment.profile}",
        f"arm {experiment.arm}",
        f"fold {experiment.fold}",
        f"backbone {experiment.backbone}, {_parameters(run):,} parameters",
        f"seed {experiment.seed}",
        f"{run.metrics['epochs']} epochs, the best {run.metrics['best_epoch']}",
        f"{where['device']}, {run.history['seconds'].sum():.0f} s",
        f"Python {where['python']}",
        *(f"{name} {where['packages'][name]}" for name in packages if name in where["packages"]),
        f"commit {where['commit'] or 'none'}",
        f"code {where['code']}",
    ]
    return HTML(f'<p class="provenance" style="font-size: 0.8em;">{escape(" · ".join(facts))}</p>')


def published_at_a_glance() -> HTML:
    """The paper's Table II."""
    return table(tables.published_table(), "Published: Table II of the paper, IEMOCAP, mean ± spread over five folds.")


def open_at_a_glance() -> HTML:
    """What this project measured on open corpora, as committed."""
    folds = open_loso()
    if folds.empty:
        return HTML("<p>The open corpora have not been measured yet.</p>")
    return table(tables.arms(folds), "Open corpora, measured by this project: mean ± standard deviation over folds.")


def run_at_a_glance() -> HTML:
    """The runs of the current profile, under their banner; absent folds are named."""
    profile = paths.current_profile()
    runs = find_runs(profile)
    if not runs:
        return HTML(f"<p>No run of the profile <code>{escape(profile)}</code> is finished yet.</p>")
    origin = tables.origin(runs[0].experiment)
    caption = f"This run: profile {profile}, {origin}, mean ± standard deviation over the folds."
    return together([banner(runs[0].experiment), table(tables.arms(tables.fold_scores(runs)), caption)])


def glue(**values) -> None:
    """Hands values to the prose of the page as {glue:text}`name`; without a book it does nothing."""
    try:
        from myst_nb import glue as hand_over
    except ImportError:
        return
    for name, value in values.items():
        hand_over(name, value, display=False)


def _parameters(run) -> int:
    """Counted from the header of the weights, which are not read."""
    with safe_open(run.path / "model" / "model.safetensors", "np") as weights:
        return sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())


def _heard(path: str):
    return read_audio(path)[: round(MAX_SECONDS * SAMPLE_RATE)]


def _player(name: str, waveform, width: str = "10rem") -> str:
    sound = io.BytesIO()
    soundfile.write(sound, waveform, SAMPLE_RATE, format="MP3", bitrate_mode="VARIABLE", compression_level=0.5)
    source = f"data:audio/mpeg;base64,{_base64(sound)}"
    style = f"width: {width}; max-width: 640px; height: 2rem;"
    return f'<audio controls preload="none" aria-label="{escape(name)}" style="{style}" src="{source}"></audio>'


def _base64(file: io.BytesIO) -> str:
    return base64.b64encode(file.getvalue()).decode()


def _table(cells: pd.DataFrame, caption: str, index: bool) -> str:
    rows = cells.to_html(escape=False, index=index, border=0, classes="sercore-table", justify="left")
    return (
        f'<p class="table-caption" style="margin-bottom: 0.2em;">{escape(caption)}</p>'
        '<div class="table-scroll" role="region" tabindex="0" style="overflow-x: auto;" '
        f'aria-label="{escape(caption)}">{rows}</div>'
    )
