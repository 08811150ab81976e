"""The commands of `python -m sercore`. Each takes the parsed arguments and gives an exit code.

They import what they need when they run: the command line's --help needs none of it.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from sercore.deployment.output import NO_SPEECH, complain, listening, printer, progress, say

DONE, SOME_FAILED, NOTHING_DONE = 0, 1, 2  # exit codes
# What libsndfile can tell by itself: all it reads but headerless audio and MATLAB's matrices.
SUFFIXES = tuple(
    ".aif .aifc .aiff .au .avr .caf .flac .htk .iff .mp3 .mpc .nist .oga .ogg .opus .paf .pvf .rf64 .sd2 .sds .sf .snd "
    ".sph .svx .voc .w64 .wav .wve .xi".split()
)
DRAWINGS = (".png", ".svg", ".pdf")
CHUNK = 2**14  # bytes of standard input at once, half a second at 16 kHz
SECONDS = (1, 3, 8)  # of the waveforms that are timed
UNUSABLE = (OSError, ValueError, RuntimeError)  # what a broken recording raises


def predict(options) -> int:
    """Tells the emotion of recordings one by one; what cannot be used is named and counted."""
    from sercore.deployment import EmotionClassifier, Rules, analyze_voice_note

    rules = Rules(vad=options.vad, overlap=options.overlap, aggregate=options.aggregate)
    files, failed = ([], 0) if options.audio == ["-"] else find_recordings(options.audio)
    _check(options, files)
    classifier = EmotionClassifier(options.model)
    show = printer(options.form, classifier.labels, files or ["-"])
    if options.audio == ["-"]:
        return _listen(options, classifier, rules, show)
    done = 0
    for file in progress(files, "file"):
        try:
            with listening(len(files) == 1) as heard:
                note = analyze_voice_note(file, classifier, rules=rules, progress=heard)
        except UNUSABLE as error:
            failed += 1
            complain(str(error) if str(error).startswith(file) else f"{file}: {error}")
            continue
        done += 1
        _tell(file, note, classifier.labels, options, show)
    return _outcome(done, failed, "recordings")


def find_recordings(places: Iterable[str]) -> tuple[list[str], int]:
    """The files that are named, and those in the folders that are named, whose suffix libsndfile reads, each once.

    Returns:
        The files in the order of the places, sorted by name in each, and how many folders could not be used; those
        are named on standard error.
    """
    found, problems = [], []
    for place in places:
        inside = sorted(_walk(place, problems)) if os.path.isdir(place) else [place]
        found += inside
        if not inside:
            problems.append(f"{place}: no recordings in it; suffixes looked for are {' '.join(SUFFIXES)}")
    for problem in problems:
        complain(str(problem))
    return [*dict.fromkeys(found)], len(problems)


def _walk(folder: str, problems: list) -> Iterator[str]:
    """Hidden files (``._*``) are passed over, as a corpus's are."""
    for parent, _, names in os.walk(folder, onerror=problems.append):
        yield from (os.path.join(parent, name) for name in names if name.lower().endswith(SUFFIXES) and name[0] != ".")


def _check(options, files: list[str]) -> None:
    """Refuses, before anything long begins, what cannot go together or be written."""
    listening = options.audio == ["-"]
    if "-" in options.audio and not listening:
        raise ValueError("- (standard input) goes with no other file; leave the others out.")
    if listening and sys.stdin.isatty():
        raise ValueError("- reads raw audio from standard input, which is a terminal; pipe audio into it.")
    if options.rate and not listening:
        raise ValueError("--rate is of standard input (-); a file tells its own.")
    if options.timeline:
        if len(files) > 1:
            raise ValueError(f"--timeline draws one recording; there are {len(files)}.")
        if Path(options.timeline).suffix not in DRAWINGS:
            raise ValueError(f"--timeline is {options.timeline!r}; name a file that ends in {', '.join(DRAWINGS)}.")
        Path(options.timeline).parent.mkdir(parents=True, exist_ok=True)


def _listen(options, classifier, rules, show: Callable) -> int:
    """Prints each window of standard input when it is complete."""
    from sercore.deployment import VoiceNoteStream

    stream = VoiceNoteStream(classifier, options.rate or 16_000, rules)
    shown = 0
    for samples in _samples(sys.stdin.buffer):
        for window in stream.feed(samples):
            shown += 1
            show(_window("-", window, classifier.labels))
    note = stream.finish()
    for window in note.windows.iloc[shown:].to_dict("records"):
        show(_window("-", window, classifier.labels))
    _draw(note, options.timeline)
    heard = f"{note.label}, certainty {note.certainty:.2f}" if note.label else NO_SPEECH
    complain(f"{note.seconds:.1f} s heard, {note.speech_seconds:.1f} s of speech: {heard}")
    return DONE


def _samples(stream) -> Iterator:
    """Raw 16-bit little-endian samples as float32 (samples,), as they arrive."""
    import numpy as np

    rest = b""
    while data := stream.read1(CHUNK):
        data = rest + data
        whole = len(data) // 2 * 2
        rest = data[whole:]
        if whole:
            yield np.frombuffer(data[:whole], "<i2").astype(np.float32) / 2**15


def _tell(file: str, note, labels: tuple[str, ...], options, show: Callable) -> None:
    if options.windows:
        for window in note.windows.to_dict("records"):
            show(_window(file, window, labels))
        if note.windows.empty:
            complain(f"{file}: {NO_SPEECH}, hence no window")
    else:
        show({"file": file} | note.as_dict() if options.form == "json" else _whole(file, note, labels))
    _draw(note, options.timeline)


def _whole(file: str, note, labels: tuple[str, ...]) -> dict:
    told = note.probabilities or dict.fromkeys(labels)
    row = {"file": file, "seconds": note.seconds, "speech": note.speech_seconds, "label": note.label}
    return row | {name: told[name] for name in labels} | {"certainty": note.certainty, "agreement": note.agreement}


def _window(file: str, window: dict, labels: tuple[str, ...]) -> dict:
    row = {"file": file} | {name: window[name] for name in ("start", "end", "speech", "weight")}
    return row | {"label": max(labels, key=window.get)} | {name: window[name] for name in labels}


def _draw(note, file: str | None) -> None:
    if file:
        from sercore.evaluation.plots.voice import timeline

        timeline(note).savefig(file)


def export(options) -> int:
    """Writes the model of a run as an ONNX file."""
    from safetensors import SafetensorError
    from transformers.utils import logging

    from sercore.deployment import export_onnx
    from sercore.training import read_run

    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    run = read_run(options.source)
    weights = run.path / "model"
    if not weights.is_dir():
        raise FileNotFoundError(f"{weights}: no such folder; train the run again.")
    try:
        return _written(export_onnx(run, options.file))
    except SafetensorError as error:
        raise ValueError(f"{weights}: cannot be read ({error}); train the run again.") from None


def quantize(options) -> int:
    """Writes a quantized copy of an exported file."""
    from sercore.deployment import quantize
    from sercore.deployment.quantize import CALIBRATED

    calibrated = options.scheme in CALIBRATED
    if calibrated and not options.calibrate:
        raise ValueError(f"{options.scheme} needs training speech to calibrate with; add --calibrate FOLDER.")
    waveforms = _training_speech(options.calibrate) if calibrated else None
    return _written(quantize(options.onnx, options.scheme, options.file, waveforms))


def _training_speech(folder: str) -> list:
    """Waveforms drawn from a folder, as many as calibration needs; what is broken is named and another one drawn."""
    import numpy as np

    from sercore.data import read_audio
    from sercore.deployment.quantize import LEAST_UTTERANCES

    files, _ = find_recordings([folder])
    waveforms = []
    for file in progress(np.random.default_rng(0).permutation(files), "file", LEAST_UTTERANCES):
        try:
            waveforms.append(read_audio(file))
        except UNUSABLE as error:
            complain(str(error))
        if len(waveforms) == LEAST_UTTERANCES:
            break
    return waveforms


def _written(file: Path) -> int:
    say(f"{file}: {file.stat().st_size / 10**6:.2f} MB")
    return DONE


def benchmark(options) -> int:
    """Measures what files cost."""
    import pandas as pd

    from sercore.deployment import EmotionClassifier
    from sercore.deployment.benchmark import describe, latency_table, load_times

    files = {file: Path(file) for file in options.files}
    for file in files:
        EmotionClassifier(file)  # says in one line what is wrong with it
    loads = load_times(files)
    told = {file: {"MB": f"{describe(file)['MB']:.2f}", "load (ms)": f"{1000 * loads[file]:.0f}"} for file in files}
    for seconds in progress(SECONDS, "length"):
        for _, row in latency_table(files, [seconds], [options.threads], options.repeats).iterrows():
            median, low, high = 1000 * row[["median", "low", "high"]]
            told[row["scheme"]][f"{seconds} s (ms)"] = f"{median:.1f} ({low:.1f}-{high:.1f})"
    say(pd.DataFrame.from_dict(told, orient="index").to_string())
    return DONE


def corpora(options) -> int:
    """Counts what is in each corpus of a profile, and what is left out of it."""
    from sercore.config import Experiment

    experiment = Experiment.from_profile(options.profile)
    names = [*dict.fromkeys([*experiment.corpora, experiment.target])]
    failed = 0
    for name in names:
        try:
            say(_counted(experiment, name, options.decode))
        except (OSError, ValueError) as error:
            failed += 1
            complain(str(error))
    return _outcome(len(names) - failed, failed, "corpora")


def _counted(experiment, name: str, decode: bool) -> str:
    from sercore import paths
    from sercore.data import load_corpus
    from sercore.emotions import EMOTIONS

    root = experiment.root(name)
    table = load_corpus(name, root, experiment.calm)
    folder = paths.synthetic_root() / name if root == "synthetic" else paths.corpus_root(name, root)
    doubtful = []
    if decode:
        table, doubtful = _decoded(table)
    counts = table["emotion"].value_counts()
    told = ", ".join(f"{emotion} {counts.get(emotion, 0)}" for emotion in EMOTIONS)
    lines = [f"{name}: {folder}", f"  {len(table)} utterances of {table['speaker'].nunique()} speakers: {told}"]
    lines += [f"  left out: {reason}: {_named(names)}" for reason, names in table.attrs["left_out"].items()]
    return "\n".join([*lines, *(f"  problem: {problem}: {_named(names)}" for problem, names in doubtful)])


def _decoded(table) -> tuple:
    """The table without what cannot be decoded, and what can be but is to be doubted."""
    import datasets

    from sercore.data import suspicious, with_audio

    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    heard, _ = with_audio(table)
    return heard, suspicious(heard).groupby("problem")["utterance"].agg(list).items()


def _named(names: list[str]) -> str:
    return f"{len(names)} ({', '.join(names[:3])}{', ...' * (len(names) > 3)})"


def _outcome(done: int, failed: int, noun: str) -> int:
    if failed and done + failed > 1:
        complain(f"{failed} of {done + failed} {noun} failed")
    return (SOME_FAILED if done else NOTHING_DONE) if failed else DONE
