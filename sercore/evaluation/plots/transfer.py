"""A corpus that the model has never heard: what is recognized, how it sounds, and what aligning moments does."""

import matplotlib
import seaborn as sns
from matplotlib.figure import Figure

from sercore.emotions import EMOTIONS
from sercore.evaluation.plots.style import COLORS, INK, PALE, STYLE, axes, listed, styled
from sercore.evaluation.tables import TITLES

MARKS = dict(zip(EMOTIONS, "osD^", strict=True))


@styled
def recalls(measured, printed: dict) -> Figure:
    """Recall of each emotion on the unheard corpus, with interval, and what the paper prints of its own model.

    Args:
        measured: index recall_anger … recall_sadness; columns value, low, high (fractions).
        printed: name (version) to a dict of emotion to recall (fraction), with what is printed.
    """
    figure, axis = axes(3.8)
    for row, emotion in enumerate(EMOTIONS):
        value, low, high = measured.loc[f"recall_{emotion}", ["value", "low", "high"]]
        axis.hlines(row, low, high, color=COLORS[emotion], linewidth=3)
        axis.plot(value, row, "o", color=COLORS[emotion], markersize=11)
    marks = dict(zip(printed, ("x", "+"), strict=False))
    for name, mark in marks.items():
        for emotion, value in printed[name].items():
            axis.plot(value, EMOTIONS.index(emotion) - 0.26, mark, color=INK, markersize=10, markeredgewidth=2)
    axis.set(xlim=(-0.03, 1.03), ylim=(3.5, -0.6), xlabel="recall", yticks=range(4), yticklabels=EMOTIONS)
    axis.grid(axis="x", color="#dddddd", linewidth=0.8)
    axis.set_axisbelow(True)
    keys = [matplotlib.lines.Line2D([], [], color=INK, marker="o", markersize=9)]
    keys += [matplotlib.lines.Line2D([], [], color=INK, marker=mark, linestyle="", markersize=9) for mark in marks.values()]
    figure.legend(keys, ["this run, 95 % interval", *(f"paper {name}" for name in marks)], loc="outside upper center", ncols=3)
    figure.set_label(f"Recall per emotion. This run: {listed(measured['value'].loc[[f'recall_{e}' for e in EMOTIONS]], '.0%')}.")
    return figure


@styled
def by_speaker(groups, floor: float) -> Figure:
    """How much the recognition depends on who speaks.

    Args:
        groups: as `arousal.by_group` gives it, one row per speaker, with a column sex.
        floor: WA of always answering the commonest emotion.
    """
    ranked = groups.sort_values("WA").reset_index(names="speaker")
    figure, axis = axes(4.2)
    looks = {"female": ("o", "white"), "male": ("s", INK)}
    for sex, (mark, fill) in looks.items():
        own = ranked[ranked["sex"] == sex]
        axis.vlines(own.index, own["WA_low"], own["WA_high"], color=PALE, linewidth=2)
        axis.plot(own.index, own["WA"], mark, color=INK, markerfacecolor=fill, markersize=8, label=sex)
    axis.axhline(floor, color=INK, linewidth=1, linestyle=":")
    axis.set(xlabel=f"the {len(ranked)} speakers, by WA (dotted: one answer for all)", ylabel="WA", ylim=(0, 1), xticks=[])
    axis.legend(loc="upper left")
    figure.set_label(f"WA per speaker from {ranked['WA'].min():.0%} to {ranked['WA'].max():.0%}, with 95 % intervals.")
    return figure


@styled
def voices(acoustics) -> Figure:
    """Level, pitch, its movement, and duration of each emotion in each corpus.

    Args:
        acoustics: one row per utterance: corpus, emotion, level (dB), pitch (Hz), pitch_range (semitones), seconds.
    """
    names = {"level": "level (dB)", "pitch": "pitch (Hz)", "pitch_range": "pitch range (semitones)", "seconds": "duration (s)"}
    corpora = list(acoustics["corpus"].unique())
    figure, panels = axes(2.9 + 2.4 * len(corpora), len(corpora) * 2, 2, sharey=True)
    look = {"palette": COLORS, "hue_order": EMOTIONS, "order": EMOTIONS, "legend": False, "saturation": 1, "fliersize": 0}
    look |= {"linecolor": INK, "linewidth": 1.1, "medianprops": {"color": "white", "linewidth": 2.2}, "hue": "emotion"}
    limits = {name: acoustics[name].quantile([0.01, 0.99]) for name in names}
    for pair, (name, title) in enumerate(names.items()):
        for number, corpus in enumerate(corpora):
            axis = panels[(pair // 2) * len(corpora) + number, pair % 2]
            sns.boxplot(acoustics[acoustics["corpus"] == corpus], x=name, y="emotion", ax=axis, **look)
            axis.set(xlabel=title if number == len(corpora) - 1 else "", ylabel="", xlim=limits[name])
            axis.set_title(TITLES[corpus], loc="left", fontsize=13)
    medians = acoustics.groupby(["corpus", "emotion"])["pitch"].median()
    told = [f"{TITLES[corpus]}: {listed(medians[corpus].reindex([*EMOTIONS], fill_value=0), '.0f')}" for corpus in corpora]
    figure.set_label(f"Boxes of level, pitch, pitch range and duration. Median pitch in Hz, {'; '.join(told)}.")
    return figure


@styled
def variants(table) -> Figure:
    """UA and recalls when the embeddings' moments are aligned with the training ones, from not at all to per speaker.

    Args:
        table: index names of the variants; columns UA, UA_low, UA_high and recall_anger … recall_sadness (fractions).
    """
    figure, axis = axes(1.6 + 0.75 * len(table))
    for row, values in enumerate(table.itertuples()):
        axis.hlines(row, values.UA_low, values.UA_high, color=INK, linewidth=3)
        axis.plot(values.UA, row, "|", color=INK, markersize=22, markeredgewidth=4)
        for emotion in EMOTIONS:
            look = {"color": COLORS[emotion], "markersize": 9, "markeredgecolor": "white"}
            axis.plot(getattr(values, f"recall_{emotion}"), row + 0.26, MARKS[emotion], **look)
    axis.axvline(1 / len(EMOTIONS), color=INK, linewidth=1, linestyle=":")
    axis.set(xlim=(-0.02, 1.02), ylim=(len(table) - 0.4, -0.5), xlabel="bar: UA with 95 % interval\nmarks: recalls (dotted: chance)")
    axis.set(yticks=range(len(table)), yticklabels=table.index)
    keys = [matplotlib.lines.Line2D([], [], color=COLORS[name], marker=mark, linestyle="") for name, mark in MARKS.items()]
    figure.legend(keys, EMOTIONS, loc="outside upper center", ncols=4, handletextpad=0.1, columnspacing=1)
    figure.set_label(f"UA by alignment: {', '.join(f'{row.Index} {row.UA:.3f}' for row in table.itertuples())}.")
    return figure


@styled
def by_arrival(table, before: float, after: float) -> Figure:
    """UA by how many utterances of the speaker have been heard.

    Args:
        table: as `adaptation.by_arrival` gives it.
        before: UA without alignment.
        after: UA with the moments of all of the speaker's utterances.
    """
    figure, axis = axes(3.8)
    axis.fill_between(table["utterances"], table["low"], table["high"], color="#dddddd", linewidth=0)
    axis.plot(table["utterances"], table["UA"], color=INK)
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5}
    for value, name, offset in [(before, "not aligned", -16), (after, "all of the speaker heard", 4)]:
        axis.axhline(value, color=INK, linewidth=1.2, linestyle="--")
        axis.annotate(name, (table["utterances"].max(), value), (0, offset), textcoords="offset points", ha="right", bbox=box)
    axis.set(xlabel="utterances of the speaker heard so far", ylabel="UA (band: 95 %)")
    axis.set_xlim(1, max(2, table["utterances"].max()))
    axis.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(8, integer=True))
    axis.margins(y=0.15)
    first, last = table["UA"].iloc[0], table["UA"].iloc[-1]
    figure.set_label(f"UA by utterances heard: {first:.3f} at the first, {last:.3f} at the last; not aligned {before:.3f}.")
    return figure


@styled
def unbalanced(table, before: float) -> Figure:
    """UA when the speech that the moments come from is mostly of one emotion.

    Args:
        table: as `adaptation.when_unbalanced` gives it.
        before: UA without alignment.
    """
    figure, axis = axes(4.2)
    for emotion, own in table.groupby("emotion"):
        look = {"marker": MARKS[emotion], "color": COLORS[emotion], "label": emotion, "markersize": 8}
        axis.plot(own["share"], own["UA"], **look)
        axis.fill_between(own["share"], own["UA_least"], own["UA_most"], color=COLORS[emotion], alpha=0.15, linewidth=0)
    axis.axhline(before, color=INK, linewidth=1.2, linestyle="--")
    axis.annotate("not aligned", (table["share"].min(), before), (0, 5), textcoords="offset points")
    axis.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1))
    axis.set(xlabel="share of one emotion in what was heard", ylabel="UA", xticks=sorted(table["share"].unique()))
    figure.legend(loc="outside upper center", ncols=4, handletextpad=0.4, columnspacing=1)
    last = table[table["share"] == table["share"].max()]
    told = ", ".join(f"only {row.emotion} {row.UA:.3f}" for row in last.itertuples())
    figure.set_label(f"UA by share of one emotion in what was heard: {told}; not aligned {before:.3f}.")
    return figure
