"""A corpus and one fold in pictures: who is in it, how training went, what is taken for what."""

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from scipy.signal import spectrogram

from sercore.emotions import EMOTIONS
from sercore.evaluation.plots.style import COLORS, INK, PALE, STYLE, axes, listed, styled
from sercore.evaluation.tables import TITLES


def _count(table) -> np.ndarray:
    """Utterances per emotion, in the order of the emotions."""
    return table["emotion"].value_counts().reindex(EMOTIONS, fill_value=0).to_numpy()


@styled
def class_balance(split) -> Figure:
    """How many utterances of each emotion train, validate and test a fold.

    Args:
        split: a `Split`; what its training table holds of another corpus than its test table is permanent.
    """
    figure, panels = axes(3.4, 1, 3, sharex=True, sharey=True)
    primary = split.train["corpus"] == split.test["corpus"].iloc[0]
    parts = {"train": split.train[primary], "validation": split.validation, "test": split.test}
    for axis, (part, table) in zip(panels, parts.items()):
        _emotion_bars(axis, _count(table), _count(split.train[~primary] if part == "train" else table.iloc[:0]))
        axis.set_title(part)
    panels[0].invert_yaxis()
    panels[0].set_xlim(right=1.42 * _count(split.train).max())
    panels[0].xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(2, integer=True))
    figure.supxlabel("utterances", fontsize=STYLE["font.size"])
    if (~primary).any():
        _permanent_key(figure, split)
    told = [f"{part}: {listed(_count(table))}." for part, table in split.parts.items()]
    figure.set_label(" ".join(["Bars of utterances.", *told]))
    return figure


def _emotion_bars(axis, counts, permanent):
    """One bar per emotion; the permanent corpus follows the primary one, pale and hatched."""
    colors = list(COLORS.values())
    axis.barh(EMOTIONS, counts, color=colors)
    axis.barh(EMOTIONS, permanent, left=counts, color="white", edgecolor=colors, hatch="////")
    for row, (own, other) in enumerate(zip(counts, permanent)):
        axis.annotate(f"{own + other:,}", (own + other, row), (4, 0), textcoords="offset points", va="center")


def _permanent_key(figure, split):
    names = [split.test["corpus"].iloc[0], *sorted(set(split.train["corpus"]) - set(split.test["corpus"]))]
    looks = {"facecolor": PALE}, {"facecolor": "white", "edgecolor": PALE, "hatch": "////"}
    handles = [matplotlib.patches.Patch(label=TITLES[name], **look) for name, look in zip(names, looks)]
    figure.legend(handles=handles, loc="outside upper right", ncols=2)


@styled
def learning_curves(history, best_epoch: int) -> Figure:
    """Losses and validation scores by epoch; the model of `best_epoch` is the one kept.

    Args:
        history: the table of a run, one row per epoch.
        best_epoch: the epoch with the highest validation UA.
    """
    figure, (loss, recall) = axes(5.4, 2, sharex=True)
    lines = [(loss, "train_loss", "train", "-", INK), (loss, "validation_loss", "validation", "--", PALE)]
    lines += [(recall, "UA", "UA", "-", INK), (recall, "WA", "WA", "--", PALE)]
    for axis, column, label, dash, color in lines:
        axis.plot(history["epoch"], history[column], dash, color=color, label=label, marker="o", markersize=4)
    for axis in (loss, recall):
        axis.axvline(best_epoch, color=INK, linewidth=1, linestyle=":")
        axis.legend()
    loss.set_ylabel("focal loss")
    recall.set(ylabel="validation score", xlabel=f"epoch (dotted: epoch {best_epoch}, kept)")
    recall.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(8, integer=True))
    ua = history.set_index("epoch")["UA"]
    course = f"UA from {ua.iloc[0]:.3f} to {ua.iloc[-1]:.3f}; epoch {best_epoch} with {ua[best_epoch]:.3f} is kept"
    figure.set_label(f"Curves of loss and validation scores over {len(ua)} epochs: {course}.")
    return figure


@styled
def confusion(score: dict) -> Figure:
    """Which emotion is taken for which: share of each true emotion, with the number of utterances.

    Args:
        score: as `sercore.evaluation.score` gives it; `confusion` has a row per true emotion.
    """
    counts = np.asarray(score["confusion"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    labels = [[f"{share:.0%}\n{count:,}" for share, count in zip(*row)] for row in zip(shares, counts)]
    figure, axis = axes(5.6)
    look = {"cmap": "Greys", "vmin": 0, "vmax": 1, "linewidths": 1, "linecolor": "#dddddd", "square": True}
    sns.heatmap(shares, annot=labels, fmt="", xticklabels=EMOTIONS, yticklabels=EMOTIONS, ax=axis, cbar=False, **look)
    for text, share in zip(axis.texts, shares.flat, strict=True):
        text.set_color("white" if share > 0.58 else INK)
    axis.tick_params(length=0)
    axis.set_yticklabels(EMOTIONS, rotation=0)
    axis.set(xlabel="predicted", ylabel="truth")
    figure.set_label(f"Confusion matrix, truth against prediction. Recognized: {listed(shares.diagonal(), '.0%')}.")
    return figure


@styled
def per_class_scores(score: dict) -> Figure:
    """Precision, recall and F1 of each emotion.

    Args:
        score: as `sercore.evaluation.score` gives it.
    """
    figure, axis = axes(3.2)
    marks = {"precision": ">", "recall": "o", "f1": "D"}
    for row, emotion in enumerate(EMOTIONS):
        values = score["per_class"][emotion]
        axis.hlines(row, min(values[name] for name in marks), max(values[name] for name in marks), color=PALE, zorder=1)
        for name, mark in marks.items():
            fill = COLORS[emotion] if name == "f1" else "white"
            axis.scatter(values[name], row, s=90, marker=mark, facecolor=fill, edgecolor=COLORS[emotion], linewidth=1.8)
    axis.set(xlim=(-0.02, 1.02), ylim=(3.4, -0.4), xlabel="score", yticks=range(len(EMOTIONS)), yticklabels=EMOTIONS)
    axis.grid(axis="x", color="#dddddd", linewidth=0.8)
    axis.set_axisbelow(True)
    looks = [{"marker": mark, "markerfacecolor": INK if name == "f1" else "white"} for name, mark in marks.items()]
    keys = [matplotlib.lines.Line2D([], [], color=INK, linestyle="", markersize=9, **look) for look in looks]
    figure.legend(keys, ["precision", "recall", "F1"], loc="outside upper center", ncols=3)
    f1 = [score["per_class"][emotion]["f1"] for emotion in EMOTIONS]
    figure.set_label(f"Precision, recall and F1 as marks on a line per emotion. F1: {listed(f1, '.3f')}.")
    return figure


@styled
def spectrograms(examples: dict, sample_rate: int) -> Figure:
    """Where the energy of one utterance per emotion lies.

    Args:
        examples: emotion to waveform, float (samples,).
        sample_rate: samples per second.
    """
    figure, panels = axes(5.6, 2, 2, sharex=True, sharey=True)
    for axis, (emotion, waveform) in zip(panels.flat, examples.items()):
        image = _spectrogram(axis, np.asarray(waveform), sample_rate)
        axis.set_title(emotion, color=COLORS[emotion], fontweight="bold")
    panels[0, 0].set_xlim(0, max(map(len, examples.values())) / sample_rate)
    panels[0, 0].xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(4))
    figure.supxlabel("time (s)", fontsize=STYLE["font.size"])
    figure.supylabel("frequency (kHz)", fontsize=STYLE["font.size"])
    figure.colorbar(image, ax=panels, label="level relative to the loudest point (dB)", aspect=30, pad=0.02)
    seconds = [len(waveform) / sample_rate for waveform in examples.values()]
    figure.set_label(f"Spectrograms of four utterances, time against frequency. Seconds: {listed(seconds, '.1f')}.")
    return figure


def _spectrogram(axis, waveform, sample_rate):
    """Windows of 25 ms every 10 ms, in dB below the loudest point, 80 dB deep."""
    window, step = sample_rate // 40, sample_rate // 100
    _, times, power = spectrogram(waveform, sample_rate, nperseg=window, noverlap=window - step, scaling="spectrum")
    level = 10 * np.log10(np.maximum(power / max(power.max(), 1e-20), 1e-8))
    extent = (0, len(waveform) / sample_rate, 0, sample_rate / 2000)
    return axis.imshow(level, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=-80, vmax=0)


@styled
def durations(table, max_seconds: float) -> Figure:
    """How long the utterances of each emotion are, and what share of them is cut.

    Args:
        table: a corpus with the columns emotion and duration (seconds).
        max_seconds: longest input of the model.
    """
    figure, axis = axes(3.4)
    look = {"palette": COLORS, "hue_order": EMOTIONS, "order": EMOTIONS, "legend": False, "saturation": 1}
    look |= {"fliersize": 2, "linecolor": INK, "linewidth": 1.2, "medianprops": {"color": "white", "linewidth": 2.2}}
    sns.boxplot(table, x="duration", y="emotion", hue="emotion", ax=axis, **look)
    axis.axvline(max_seconds, color=INK, linestyle="--", linewidth=1.2)
    emotions = table.groupby("emotion")["duration"]
    longer = emotions.agg(lambda seconds: (seconds > max_seconds).mean()).reindex(EMOTIONS, fill_value=0)
    for row, text in [(-0.75, f"over {max_seconds:g} s"), *enumerate(longer.map("{:.1%}".format))]:
        axis.text(1.02, row, text, transform=axis.get_yaxis_transform(), va="center")
    axis.set(xlim=(0, 1.04 * max(table["duration"].max(), max_seconds)), xlabel="duration (s)", ylabel="")
    figure.set_label(f"Box of durations per emotion. Longer than {max_seconds:g} s: {listed(longer, '.1%')}.")
    return figure
