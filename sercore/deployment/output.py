"""What the command line prints: rows as a table, CSV or JSON the moment they are known, complaints, and how far it is."""

import csv
import io
import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from tqdm import tqdm

DIGITS = 6  # of JSON and CSV
NARROWEST = 20  # characters for the name of a file in a terminal's table
NO_SPEECH = "no speech"
SEPARATOR = "  "


def printer(form: str, labels: Sequence[str], files: Sequence[str]) -> Callable[[dict], None]:
    """A function that prints rows one by one, the first under a header where the form has one.

    Args:
        form: "table" or "csv", of rows with equal columns, or "json", an object per line.
        labels: all that can stand in a row's column label, which has None where there is no speech.
        files: all that can stand in a row's column file.
    """
    widths = {"file": max(map(len, ("file", *files))), "label": max(map(len, (*labels, NO_SPEECH)))}
    line = {"json": json.dumps, "csv": _csv, "table": partial(_aligned, widths=widths)}[form]
    headed = form == "json"

    def show(row: dict) -> None:
        nonlocal headed
        if not headed:
            say(line(dict(zip(row, row))))
            headed = True
        say(line(_plain(row)))

    return show


def say(line: str, file=None) -> None:
    """Prints a line to `file` (None: standard output) at once, above the bar where there is one."""
    with tqdm.external_write_mode(file or sys.stdout):
        print(line, file=file or sys.stdout, flush=True)


def complain(line: str) -> None:
    """One line on standard error."""
    say(f"sercore: {' '.join(line.split())}", sys.stderr)


def progress(items: Sequence, unit: str, total: int | None = None) -> tqdm:
    """The items behind a bar on standard error, where that is a terminal and there is something to wait for."""
    return tqdm(items, total=total, unit=unit, leave=False, disable=len(items) < 2 or not sys.stderr.isatty())


@contextmanager
def listening(shown: bool) -> Iterator[Callable[[float], None]]:
    """A function that is told how many seconds of a recording are done, and shows them as `progress` does.

    Meanwhile standard error is kept free of what decoders write there by themselves.
    """
    with os.fdopen(os.dup(2), "w") as screen, open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
        try:
            with tqdm(unit=" s of audio", leave=False, file=screen, disable=not shown or not screen.isatty()) as bar:
                yield lambda seconds: bar.update(round(seconds) - bar.n)
        finally:
            os.dup2(screen.fileno(), 2)


def _plain(value):
    """What JSON knows, without digits that mean nothing."""
    if isinstance(value, dict):
        return {name: _plain(own) for name, own in value.items()}
    if isinstance(value, list):
        return [_plain(own) for own in value]
    if not isinstance(value, float):
        return value
    return None if math.isnan(value) else round(float(value), DIGITS)


def _csv(row: dict) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(row.values())
    return text.getvalue()


def _aligned(row: dict, widths: dict[str, int]) -> str:
    widths = {name: widths.get(name, max(len(name), 6)) for name in row}
    if sys.stdout.isatty():
        others = sum(len(SEPARATOR) + width for name, width in widths.items() if name != "file")
        widths["file"] = min(widths["file"], max(NARROWEST, shutil.get_terminal_size().columns - others))
    cells = {name: _cell(value).rjust(widths[name]) for name, value in row.items()}
    cells["file"] = _shortened(row["file"], widths["file"]).ljust(widths["file"])
    cells["label"] = (row["label"] or NO_SPEECH).ljust(widths["label"])
    return SEPARATOR.join(cells.values())


def _cell(value) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:.2f}"


def _shortened(name: str, width: int) -> str:
    """The end of a name tells more than its start."""
    name = "".join(sign if sign.isprintable() else "?" for sign in name)
    return name if len(name) <= width else f"…{name[len(name) - width + 1 :]}"
