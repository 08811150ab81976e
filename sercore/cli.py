"""The command line: `sercore`, or `python -m sercore`. Commands import what they need when they run."""

import csv
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Annotated

from typer import Argument, BadParameter, Option, Typer

DONE, SOME_FAILED, NOTHING_DONE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141
CODES = "Exit codes: 0 done, 1 some failed (each named), 2 nothing done or wrong use, 130 interrupted, 141 pipe closed."
PROFILES = "open, paper, demo, or a YAML file of settings."
WINDOW = ("file", "label", "start", "end", "speech", "weight")  # columns before the labels
RECORDING = ("file", "label", "certainty", "agreement", "seconds", "speech_seconds")
Changes = Annotated[list[str] | None, Option("--set", metavar="NAME=VALUE", help="A setting; repeatable.")]

app = Typer(add_completion=False, rich_markup_mode=None, epilog=CODES, help="Speech emotion recognition.")
command = app.command(epilog=CODES)


def main(arguments: list[str] | None = None) -> int:
    """Runs a command (None: of the process) and returns its exit code; a mistake is one line on standard error."""
    sys.stdout.reconfigure(errors="backslashreplace", line_buffering=True)  # names of files need not be valid text
    try:
        code = app(arguments, prog_name="sercore", standalone_mode=False) or DONE
        return _complain("interrupted", code) if code == INTERRUPTED else code
    except BadParameter.__base__ as error:  # UsageError: all that is wrong with arguments
        return _complain(f"{error.format_message().rstrip('.')}; see sercore --help.")
    except (OSError, ValueError, ImportError) as error:
        return _complain(error)
    except SystemExit:  # typer's way out where the output is closed
        return PIPE_CLOSED


@command
def predict(
    audio: Annotated[list[str], Argument(metavar="FILE...", help="Recordings, folders, or - (raw 16-bit mono).")],
    model: Annotated[
        str, Option(metavar="MODEL", help="base, small, or an .onnx file of export or quantize.")
    ] = "base",
    as_json: Annotated[bool | None, Option("--json/--csv", help="Objects or comma-separated; else a table.")] = None,
    windows: Annotated[bool, Option("--windows", help="A row per window instead of one per recording.")] = False,
    timeline: Annotated[str, Option(metavar="OUT.png", help="Draw emotion over time, of one recording.")] = "",
    no_vad: Annotated[bool, Option("--no-vad", help="Count all of a recording as speech.")] = False,
    overlap: Annotated[float, Option(metavar="S", help="Seconds that a window shares with the one before.")] = 0.0,
    aggregate: Annotated[str, Option(help="Of the windows: weighted (by speech), mean or median.")] = "weighted",
    rate: Annotated[int | None, Option(metavar="HZ", min=1, help="Of standard input; else 16000.")] = None,
    speaker: Annotated[str, Option(metavar="ME.json", help="All is one person, known better with each one.")] = "",
) -> int:
    """Predict the emotion of recordings; a row is printed as soon as it is known.

    \b
    sercore predict recordings/ --json > predictions.jsonl
    arecord -t raw -f S16_LE -r 16000 | sercore predict - --model small
    """
    from sercore import load
    from sercore.runtime import EmotionClassifier, SpeakerClassifier, VoiceNoteSettings, VoiceNoteStream
    from sercore.runtime.audio_stream import read_raw, split_audio

    settings = VoiceNoteSettings(vad=not no_vad, overlap=overlap, aggregate=aggregate)
    live, models = "-" in audio, [file for file in audio if file.endswith(".onnx")]
    _refuse(models, f"{', '.join(models)}: a model, no recording; name it with --model.")
    files, windows = audio if live else _find_recordings(audio), windows or live
    _refuse(live and len(audio) > 1, "- (standard input) goes with no other file; leave the others out.")
    _refuse(live and sys.stdin.isatty(), "standard input (-) is a terminal; pipe raw audio into it.")
    _refuse(rate and not live, "--rate is of standard input (-); that of a file is in the file.")
    _refuse(timeline and len(files) > 1, f"--timeline draws one recording; there are {len(files)}.")
    _refuse(timeline and timeline[-4:] not in (".png", ".svg", ".pdf"), f"{timeline}: must end in .png, .svg or .pdf.")
    classifier = EmotionClassifier(model) if model.endswith(".onnx") else load(model)
    classifier = SpeakerClassifier(classifier, speaker) if speaker else classifier
    names = [*(WINDOW if windows else RECORDING), *classifier.labels]
    show = partial(_print_row, names=names, as_json=as_json)
    if not as_json:
        show({name: name for name in names})  # the header
    if sys.stderr is sys.__stderr__:  # for our own lines alone: libmpg123 writes to it by itself of a cut MP3
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

    def analyze(file: str) -> None:
        pieces, sample_rate = split_audio(read_raw(sys.stdin.buffer) if live else file, rate or 16_000)
        stream = VoiceNoteStream(classifier, sample_rate, settings)
        for window in _stream_windows(stream, pieces):
            if windows:
                show({"file": file, "label": max(classifier.labels, key=window.get)} | window)
        note = stream.finish()
        if speaker:
            classifier.save()
        if not windows:
            show({"file": file, "label": note.label} | note.as_dict())
        elif live or not note.windows:
            speech = f"{note.speech_seconds:.1f} of {note.seconds:.1f} s are speech"
            _complain(f"{file}: {speech}: {note.label or 'no label'}")
        if note.assumed:
            _complain(f"{file}: no speech was found, but it sounds like a voice: all of it was classified.")
        if timeline:
            from sercore.page.timeline import draw_timeline

            draw_timeline(note).savefig(timeline)

    return _try_each(files, analyze, "recordings")


@command
def train(profile: Annotated[str, Argument(metavar="PROFILE", help=PROFILES)], changes: Changes = None) -> None:
    """Train one experiment and print its scores, such as: sercore train paper --set fold=2 --set permanent=cremad."""
    import yaml

    from sercore import training
    from sercore.experiment import Experiment

    pairs = (re.sub(r"^(\w+=\d+)e", r"\1.0e", change).partition("=") for change in changes or [])  # 1e-4 is a number
    settings = {name: yaml.safe_load(value) for name, _, value in pairs}
    run = training.train(Experiment.from_profile(profile, **settings))
    for part in ("validation", "test"):
        numbers = (f"{name} {one:.3f}" for name, one in run.metrics[part].items() if isinstance(one, float))
        print(f"{part}:", ", ".join(numbers))
    print(run.path)


@command
def export(
    run: Annotated[str, Argument(metavar="RUN", help="Folder of a finished run.")],
    file: Annotated[Path, Argument(metavar="OUT", help="ONNX file to write; with --hub a folder.")],
    hub: Annotated[bool, Option("--hub", help="What goes to the Hugging Face hub: weights, card, ONNX file.")] = False,
) -> None:
    """Write the model of a run as one ONNX file, or all that one uploads to the Hugging Face hub as a folder."""
    from sercore.export import export_onnx, write_model_card
    from sercore.training import read_run

    finished = read_run(run)
    written = export_onnx(finished, file / "model.onnx" if hub else file)
    if hub:
        shutil.copytree(finished.path / "model", file, dirs_exist_ok=True)
        write_model_card(finished, file / "README.md")
    print(f"{written}: {written.stat().st_size / 1e6:.2f} MB")


@command
def quantize(
    source: Annotated[Path, Argument(metavar="IN.onnx", help="File of export.")],
    scheme: Annotated[str, Argument(metavar="SCHEME", help="Recipe, such as w8; an unknown one shows the list.")],
    file: Annotated[Path, Argument(metavar="OUT.onnx", help="To write.")],
    calibrate: Annotated[str, Option(metavar="FOLDER", help="Training speech, for calibrated activations.")] = "",
) -> None:
    """Write a smaller or faster copy of an exported file."""
    from sercore import audio_files, export

    speech, calibrated = [], scheme in export.CALIBRATED
    _refuse(calibrated and not calibrate, f"{scheme} needs training speech to calibrate with; add --calibrate FOLDER.")
    files = _find_recordings([calibrate]) if calibrated else []

    def add(recording: str) -> None:
        if len(speech) < export.quantization.MIN_UTTERANCES:
            speech.append(audio_files.read_audio(recording))

    _try_each(Random(0).sample(files, len(files)), add, "recordings")
    export.quantize(source, scheme, file, speech)
    print(f"{file}: {file.stat().st_size / 1e6:.2f} MB")


@command
def benchmark(
    files: Annotated[list[Path], Argument(metavar="FILE.onnx...", help="Files of export or quantize.")],
    threads: Annotated[int, Option(help="Processor threads of one prediction.")] = 1,
    repeats: Annotated[int, Option(help="Turns that count.")] = 15,
) -> None:
    """Measure size, load time and latency (median and quartiles, in seconds) of ONNX files, which take turns."""
    from sercore.export import latency

    named = {str(file): file for file in files}
    for file, seconds in latency.measure_load(named).items():
        print(f"{file}: {latency.describe_file(file)['MB']:.2f} MB, loads in {1000 * seconds:.0f} ms")
    table = latency.tabulate_latency(named, (1, 3, 8), [threads], repeats)
    print(table.to_string(index=False, float_format="{:.4f}".format))


@app.command("corpora", epilog=CODES)
def count_corpora(
    profile: Annotated[str, Option(help=PROFILES)] = "open",
    decode: Annotated[bool, Option("--decode", help="Also decode every file, and name what is doubtful.")] = False,
) -> int:
    """Count what is in the corpora of a profile, and what is left out."""
    from sercore import data
    from sercore.experiment import Experiment

    experiment = Experiment.from_profile(profile)

    def count(name: str) -> None:
        table = data.load_corpus(name, experiment.root(name), experiment.calm)
        table = data.cache_audio(table)[0] if decode else table
        doubtful = data.find_suspicious(table).groupby("problem")["utterance"].agg(list).to_dict() if decode else {}
        counts = ", ".join(f"{emotion} {number}" for emotion, number in table["emotion"].value_counts().items())
        print(f"{name}: {os.path.commonpath(list(table['path']))}")
        print(f"  {len(table)} utterances of {table['speaker'].nunique()} speakers: {counts}")
        for reason, utterances in (table.attrs["left_out"] | doubtful).items():
            print(f"  {reason}: {len(utterances)}, such as {', '.join(utterances[:3])}")

    return _try_each([*dict.fromkeys([*experiment.corpora, experiment.target])], count, "corpora")


def _complain(line: object, code: int = NOTHING_DONE) -> int:
    print(f"sercore: {' '.join(str(line).split())}", file=sys.stderr)
    return code


def _refuse(mistake: object, line: str) -> None:
    if mistake:
        raise ValueError(line)


def _try_each(names: Sequence[str], act: Callable[[str], None], noun: str) -> int:
    """Does something with each; what fails is named and counted. Gives the exit code."""
    failed = 0
    for name in names:
        try:
            act(name)
        except (FileNotFoundError, PermissionError, ValueError, RuntimeError) as error:
            failed += 1
            _complain(error if str(error).startswith(name) else f"{name}: {error}")
    if failed and len(names) > 1:
        _complain(f"{failed} of {len(names)} {noun} failed")
    return DONE if not failed else SOME_FAILED if failed < len(names) else NOTHING_DONE


def _find_recordings(places: list[str]) -> list[str]:
    """The named files, and those in the named folders whose suffix libsndfile reads, each once."""
    import soundfile

    suffixes = {".aif", ".oga", ".opus"} | {f".{name.lower()}" for name in soundfile.available_formats()} - {".raw"}
    found = []
    for place in map(Path, places):
        inside = sorted(file for file in place.rglob("[!.]*") if file.suffix.lower() in suffixes)
        _refuse(place.is_dir() and not inside, f"{place}: no recordings in it, such as {', '.join(sorted(suffixes))}.")
        found += map(str, inside or [place])
    return [*dict.fromkeys(found)]


def _stream_windows(stream, pieces) -> Iterator[dict]:
    """The windows of a voice note, each as soon as it is known."""
    count = 0
    for piece in pieces:
        completed = stream.feed(piece)
        count += len(completed)
        yield from completed
    yield from stream.finish().windows[count:]


def _print_row(row: dict, names: Sequence[str], as_json: bool | None) -> None:
    """One line, as an object (True), comma-separated (False) or of a table with the file at the end (None)."""
    row = json.loads(json.dumps(row), parse_float=lambda digits: round(float(digits), 6))
    if not as_json:  # a name shall neither steer a terminal nor be a formula to a spreadsheet
        row["file"] = re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda sign: f"\\x{ord(sign[0]):02x}", row["file"])
        row["file"] = f"'{row['file']}" if as_json is False and row["file"][0] in "=+-@" else row["file"]
    cells = [(row | (row.get("probabilities") or {})).get(name) for name in names]
    if as_json:
        print(json.dumps(row))
    elif as_json is False:
        csv.writer(sys.stdout, lineterminator="\n").writerow(cells)
    else:
        texts = [f"{cell:.2f}" if isinstance(cell, float) else cell or "-" for cell in cells[1:]]
        print("  ".join(f"{text:<{max(9, len(name))}}" for name, text in zip(names[1:], texts, strict=True)), cells[0])
