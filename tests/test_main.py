"""The command line: what it prints and where, its exit codes, and that a mistake costs one line."""

import csv
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from threading import Timer

import numpy as np
import pytest
import soundfile
import torch

from sercore.__main__ import main
from sercore.data.corpora.voice import draw_voice, express, speak
from sercore.deployment import EmotionClassifier, analyze_voice_note, export_onnx
from sercore.deployment.commands import SUFFIXES
from sercore.deployment.quantize import SCHEMES
from sercore.training import build_classifier

RATE = 16_000  # Hz
COMMAND = [sys.executable, "-m", "sercore"]


def spoken(seconds: float, seed: int = 0) -> np.ndarray:
    """A generated voice, 16-bit (samples,)."""
    rng = np.random.default_rng(seed)
    said = speak(draw_voice("female", rng), express("happiness", 1.0), seconds, RATE, rng)
    return (0.5 * 32767 * said / np.abs(said).max()).astype("<i2")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    tiny = build_classifier("tiny")
    with torch.no_grad():
        tiny.classifier.weight.mul_(20)  # so that answers differ from sound to sound
    return str(export_onnx(tiny.eval(), tmp_path_factory.mktemp("model") / "model.onnx"))


@pytest.fixture
def voice(tmp_path):
    """20 s: two whole windows and a last one that reaches back."""
    soundfile.write(tmp_path / "voice.wav", spoken(20.0), RATE)
    return str(tmp_path / "voice.wav")


@pytest.fixture
def say(capsys):
    """Runs a command: its exit code, and the lines on standard output and standard error."""

    def run(*arguments):
        try:
            code = main([*map(str, arguments)])
        except SystemExit as end:
            code = end.code
        told = capsys.readouterr()
        return code, told.out.splitlines(), told.err.splitlines()

    return run


def rows(lines: list[str]) -> list[dict]:
    return [json.loads(line) for line in lines]


def rounded(value):
    """To the six digits that are printed."""
    return json.loads(json.dumps(value), parse_float=lambda number: round(float(number), 6))


@pytest.mark.parametrize("command", ["predict", "export", "quantize", "benchmark", "corpora"])
def test_help_has_examples_and_exit_codes(say, command):
    code, lines, _ = say(command, "--help")
    assert code == 0 and "  130  interrupted" in lines
    assert "\n".join(lines).count(f"python -m sercore {command}") >= 2  # usage, and an example
    assert f"    {command} " in "\n".join(say("--help")[1])


def test_help_loads_nothing_heavy():
    code = "import sys\nfrom sercore.__main__ import main\ntry: main(['predict', '--help'])\nfinally: print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split()
    assert "sercore.deployment.commands" in loaded
    assert not {"torch", "onnxruntime", "onnx", "numpy", "pandas", "matplotlib"} & set(loaded)


def test_predict_needs_no_torch(model, voice):
    code = f"import sys\nfrom sercore.__main__ import main\nmain(['predict', {model!r}, {voice!r}])\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "onnxruntime" in loaded and not {"torch", "transformers", "matplotlib"} & set(loaded)


def test_table_csv_and_json_tell_what_the_library_says(say, model, real_cremad, real_ravdess):
    files = [str(sorted(folder.rglob("*.opus"))[3]) for folder in (real_cremad, real_ravdess)]
    notes = [analyze_voice_note(file, EmotionClassifier(model)) for file in files]
    expected = [
        {"file": file, "seconds": note.seconds, "speech": note.speech_seconds, "label": note.label}
        | note.probabilities
        | {"certainty": note.certainty, "agreement": note.agreement}
        for file, note in zip(files, notes, strict=True)
    ]
    objects = rows(say("predict", model, *files, "--json")[1])
    assert [rounded(found) for found in objects] == [rounded({"file": file} | note.as_dict()) for file, note in zip(files, notes)]
    written = csv.DictReader(say("predict", model, *files, "--csv")[1])
    assert [*written] == [{name: str(value) for name, value in rounded(row).items()} for row in expected]
    code, (header, *lines), errors = say("predict", model, *files)
    assert (code, errors, header.split(), len({len(header), *map(len, lines)})) == (0, [], [*expected[0]], 1)
    assert [line.split()[3:5] for line in lines] == [[row["label"], f"{row['anger']:.2f}"] for row in expected]


def test_options_reach_the_rules(say, model, voice):
    def heard(*options):
        return rows(say("predict", model, voice, "--json", *options)[1])

    (whole,) = heard("--no-vad")
    assert whole["seconds"] == whole["speech_seconds"] == 20
    assert [row["start"] for row in heard("--no-vad", "--windows")] == [0, 8, 12]
    assert [row["start"] for row in heard("--no-vad", "--windows", "--overlap", 4)] == [0, 4, 8, 12]
    windows = heard("--no-vad", "--windows")
    (mean,) = heard("--no-vad", "--aggregate", "mean")
    assert mean["probabilities"]["anger"] == pytest.approx(np.mean([row["anger"] for row in windows]), abs=2e-6)


def test_where_nobody_speaks_there_is_no_label(say, model, tmp_path):
    file = tmp_path / "silence.wav"
    soundfile.write(file, np.zeros(RATE), RATE)
    code, (line,), errors = say("predict", model, file, "--json")
    nothing = {"label": None, "probabilities": None, "certainty": None, "agreement": None, "segments": [], "windows": []}
    assert (code, errors, json.loads(line)) == (0, [], {"file": str(file), "seconds": 1, "speech_seconds": 0} | nothing)
    assert "no speech" in say("predict", model, file)[1][1]
    assert say("predict", model, file, "--csv")[1][1].endswith(",1.0,0.0" + 7 * ",")
    assert say("predict", model, file, "--windows") == (0, [], [f"sercore: {file}: no speech, hence no window"])


def test_folders_are_searched_for_what_can_be_heard(say, model, tmp_path):
    for name in ("b/deep/two.FLAC", "a/one.wav", "b/._one.wav", "b/notes.txt", "three.ogg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / name, spoken(1.0), RATE, format="FLAC" if "FLAC" in name else "OGG" if "ogg" in name else "WAV")
    code, lines, errors = say("predict", model, tmp_path, tmp_path / "a", tmp_path / "b/notes.txt", "--json", "--no-vad")
    names = ["a/one.wav", "b/deep/two.FLAC", "three.ogg", "b/notes.txt"]  # what is named itself is tried, whatever its suffix
    assert (code, errors, [row["file"] for row in rows(lines)]) == (0, [], [str(tmp_path / name) for name in names])


def test_suffixes_are_those_of_libsndfile():
    """Without headerless audio and matrices; some of its formats are not called by their suffix."""
    named = {f".{name.lower()}" for name in soundfile.available_formats()}
    assert named - {".raw", ".mat4", ".mat5", ".ircam", ".mpc2k", ".wavex"} < {*SUFFIXES}


def test_three_broken_among_a_thousand_are_named_and_the_rest_is_done(say, model, tmp_path):
    soundfile.write(tmp_path / "0000.wav", np.zeros(1600), RATE)
    for number in range(1, 1000):
        (tmp_path / f"{number:04}.wav").write_bytes((tmp_path / "0000.wav").read_bytes())
    broken = {tmp_path / "0100x.wav": b"no audio", tmp_path / "0200x.wav": b"", tmp_path / "0300x.flac": b"fLaC"}
    for file, content in broken.items():
        file.write_bytes(content)
    code, lines, errors = say("predict", model, tmp_path, "--csv")
    assert code == 1 and len([*csv.DictReader(lines)]) == 1000
    assert [error.split(": ")[1] for error in errors[:3]] == [*map(str, broken)]
    assert errors[3:] == ["sercore: 3 of 1003 recordings failed"]


def test_decoder_that_talks_to_standard_error_is_not_heard(model, tmp_path):
    """libmpg123 does of an MP3 that is cut short."""
    soundfile.write(tmp_path / "cut.mp3", spoken(5.0), RATE)
    (tmp_path / "cut.mp3").write_bytes((tmp_path / "cut.mp3").read_bytes()[:10_000])
    found = subprocess.run([*COMMAND, "predict", model, tmp_path / "cut.mp3"], capture_output=True, text=True)
    (line,) = found.stderr.splitlines()
    assert found.returncode == 2 and line.startswith(f"sercore: {tmp_path / 'cut.mp3'}: truncated after ")


def test_raw_audio_on_standard_input_is_heard_as_a_file_is(say, model, voice):
    expected = rows(say("predict", model, voice, "--windows", "--json")[1])
    raw = soundfile.read(voice, dtype="int16")[0].tobytes() + b"x"  # half a sample too many
    found = subprocess.run([*COMMAND, "predict", model, "-", "--json"], input=raw, capture_output=True, check=True)
    assert rows(found.stdout.splitlines()) == [row | {"file": "-"} for row in expected]
    assert found.stderr.decode().startswith("sercore: 20.0 s heard, ") and len(found.stderr.splitlines()) == 1


@contextmanager
def started(command):
    """A process that is killed when it says nothing for too long."""
    pipes = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.PIPE)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, env=buffered, **pipes) as process:
        patience = Timer(60, process.kill)
        patience.start()
        yield process
        patience.cancel()


def test_endless_input_is_answered_while_it_comes_and_ends_with_one_line(model):
    command = [*COMMAND, "predict", model, "-", "--json", "--no-vad", "--rate", "8000"]
    with started(command) as process:
        for number in range(3):
            process.stdin.write(spoken(4.5).tobytes())  # 9 s at 8 kHz
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["start"] == 8 * number
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130 and process.stderr.read() == b"sercore: interrupted\n"


def test_whoever_reads_may_close_the_pipe(model, tmp_path):
    short = spoken(0.3)
    for number in range(300):
        soundfile.write(tmp_path / f"{number}.wav", short, RATE)
    command = [*COMMAND, "predict", model, str(tmp_path), "--no-vad"]
    with started(command) as process:
        assert process.stdout.readline().startswith(b"file ")
        process.stdout.close()
        assert process.wait(20) == 141 and process.stderr.read() == b""


def test_terminal_shows_the_end_of_a_long_name(model, tmp_path):
    pty = pytest.importorskip("pty")
    soundfile.write(tmp_path / ("long" * 30 + "-end.wav"), spoken(1.0), RATE)
    reader, writer = pty.openpty()
    environment = os.environ | {"COLUMNS": "120"}
    subprocess.run([*COMMAND, "predict", model, tmp_path, "--no-vad"], stdout=writer, env=environment, check=True)
    header, row = os.read(reader, 10_000).decode().splitlines()
    assert len(header) == len(row) == 120 and row.startswith("…") and "longlong-end.wav  " in row


def test_timeline_is_drawn(say, model, voice, tmp_path):
    assert say("predict", model, voice, "--timeline", tmp_path / "new/note.png")[0] == 0
    assert (tmp_path / "new/note.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "the following arguments are required: COMMAND; see python -m sercore --help"),
        (["predict", "MODEL"], "the following arguments are required: FILE|FOLDER; see python -m sercore predict --help"),
        (["predict", "MODEL", "VOICE", "--json", "--csv"], "argument --csv: not allowed with argument --json"),
        (["predict", "MODEL", "VOICE", "--overlap", "much"], "argument --overlap: invalid float value: 'much'"),
        (["predict", "MODEL", "VOICE", "--overlap", "9"], "overlap"),
        (["predict", "MODEL", "VOICE", "-"], "- (standard input) goes with no other file"),
        (["predict", "MODEL", "VOICE", "--rate", "8000"], "--rate is of standard input"),
        (["predict", "MODEL", "VOICE", "MODEL", "--timeline", "x.png"], "--timeline draws one recording; there are 2"),
        (["predict", "MODEL", "VOICE", "--timeline", "x.wav"], "name a file that ends in .png, .svg, .pdf"),
        (["predict", "absent.onnx", "VOICE"], "absent.onnx: no such file"),
        (["predict", "VOICE", "VOICE"], "voice.wav: ONNX Runtime"),
        (["predict", "MODEL", "absent.wav"], "absent.wav: no such file"),
        (["predict", "MODEL", "MODEL"], "model.onnx: cannot be decoded"),
        (["predict", "MODEL", "EMPTY"], "empty: no recordings in it; suffixes looked for are .aif"),
        (["export", "EMPTY", "out.onnx"], "empty holds no finished run"),
        (["quantize", "absent.onnx", "w8", "out.onnx"], "absent.onnx: no such file"),
        (["quantize", "MODEL", "w9", "out.onnx"], f"choose one of {', '.join(SCHEMES)}"),
        (["quantize", "MODEL", "w8a8", "out.onnx"], "w8a8 needs training speech to calibrate with; add --calibrate FOLDER"),
        (["benchmark", "MODEL", "VOICE"], "voice.wav: ONNX Runtime"),
        (["corpora", "--profile", "opne"], "profile 'opne': no file"),
    ],
)
def test_mistake_gets_one_line_and_exit_code_2(say, model, voice, tmp_path, arguments, line):
    (tmp_path / "empty").mkdir()
    named = {"MODEL": model, "VOICE": voice, "EMPTY": tmp_path / "empty"}
    code, output, (error,) = say(*(named.get(argument, argument) for argument in arguments))
    assert (code, output) == (2, []) and error.startswith("sercore: ") and line in error
