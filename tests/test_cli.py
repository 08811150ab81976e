"""The command line: what it prints and where, its exit codes, and that a mistake costs one line."""

import csv
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
import soundfile
import torch
from huggingface_hub import ModelCard
from transformers import AutoModelForAudioClassification

from sercore.cli import main
from sercore.demo import draw_voice, express_emotion, speak
from sercore.export import SCHEMES, export_onnx
from sercore.labels import EMOTIONS
from sercore.runtime import EmotionClassifier, analyze_voice_note
from sercore.training import build_classifier

RATE = 16_000  # Hz
COMMAND = [sys.executable, "-m", "sercore"]
HUB = {"README.md", "config.json", "model.onnx", "model.safetensors"}
COMMANDS = ("predict", "train", "export", "quantize", "benchmark", "corpora")


def speech(seconds: float) -> np.ndarray:
    """A generated voice, 16-bit (samples,)."""
    rng = np.random.default_rng(0)
    voice = speak(draw_voice("female", rng), express_emotion("happiness", 1.0), seconds, RATE, rng)
    return (0.5 * 32767 * voice / np.abs(voice).max()).astype("<i2")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    torch.manual_seed(0)
    tiny = build_classifier("tiny")
    with torch.no_grad():
        tiny.classifier.weight.mul_(20)  # so that predictions differ from sound to sound
    return str(export_onnx(tiny.eval(), tmp_path_factory.mktemp("model") / "model.onnx"))


@pytest.fixture
def voice(tmp_path) -> str:
    """20 s: two whole windows and a last one that reaches back."""
    soundfile.write(tmp_path / "voice.wav", speech(20.0), RATE)
    return str(tmp_path / "voice.wav")


@pytest.fixture
def run(capsys):
    """Runs a command: its exit code, and the lines on standard output and standard error."""

    def run(*arguments) -> tuple[int, list[str], list[str]]:
        code = main([*map(str, arguments)])
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err.splitlines()

    return run


def parse(lines: list[str]) -> list[dict]:
    return [json.loads(line) for line in lines]


def rounded(value):
    """To the six digits that are printed."""
    return json.loads(json.dumps(value), parse_float=lambda number: round(float(number), 6))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_the_exit_codes(run, command):
    code, lines, _ = run(command, "--help")
    assert code == 0
    assert "130 interrupted" in " ".join(" ".join(lines).split())
    assert f"  {command} " in "\n".join(run("--help")[1])


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["predict", "--help"], {"torch", "onnxruntime", "onnx", "numpy", "pandas", "matplotlib", "soundfile"}),
        (["predict", "--model", "MODEL", "VOICE"], {"torch", "transformers", "matplotlib", "pandas", "yaml"}),
    ],
    ids=["help", "predict"],
)
def test_nothing_heavy_is_loaded(model, voice, arguments, absent):
    given = [{"MODEL": model, "VOICE": voice}.get(argument, argument) for argument in arguments]
    command = [sys.executable, "-X", "importtime", "-m", "sercore", *given]
    imports = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in imports.splitlines()}
    assert "typer" in loaded
    assert not absent & loaded


@pytest.mark.parametrize("kind", ["table", "csv", "json"])
def test_name_of_a_file_steers_nothing(run, model, voice, kind, tmp_path, monkeypatch):
    """A line break and an escape code, behind a sign that makes a formula; in JSON they are escaped anyway."""
    monkeypatch.chdir(tmp_path)
    Path("=1+2\n\x1b[31m.wav").write_bytes(Path(voice).read_bytes())
    _, lines, _ = run("predict", "--model", model, "=1+2\n\x1b[31m.wav", *([] if kind == "table" else [f"--{kind}"]))
    assert len(lines) == (1 if kind == "json" else 2) and "\x1b" not in "".join(lines)
    shown = {"table": "=1+2\\x0a\\x1b[31m.wav", "csv": "'=1+2\\x0a\\x1b[31m.wav", "json": "=1+2\\n\\u001b[31m.wav"}
    assert shown[kind] in lines[-1]


def test_table_csv_and_json_say_what_the_library_says(run, model, real_cremad, real_ravdess):
    files = [str(sorted(folder.rglob("*.opus"))[3]) for folder in (real_cremad, real_ravdess)]
    notes = [analyze_voice_note(file, EmotionClassifier(model)).as_dict() for file in files]
    names = ["label", "certainty", "agreement", "seconds", "speech_seconds"]
    objects = parse(run("predict", "--model", model, *files, "--json")[1])
    assert objects == [rounded({"file": file} | note) for file, note in zip(files, notes, strict=True)]
    rows = [*csv.DictReader(run("predict", "--model", model, *files, "--csv")[1])]
    assert list(rows[0]) == ["file", *names, *EMOTIONS]
    for file, note, row in zip(files, notes, rows, strict=True):
        flat = {"file": file} | {name: note[name] for name in names} | note["probabilities"]
        assert row == {name: str(value) for name, value in rounded(flat).items()}
    code, (header, *lines), errors = run("predict", "--model", model, *files)
    assert (code, errors, header.split()) == (0, [], [*names, *EMOTIONS, "file"])
    assert [line.split()[0] for line in lines] == [note["label"] for note in notes]


def test_options_reach_the_settings(run, model, voice):
    def predict(*options):
        return parse(run("predict", "--model", model, voice, "--json", "--no-vad", *options)[1])

    (whole,) = predict()
    assert whole["seconds"] == whole["speech_seconds"] == 20
    windows = predict("--windows")
    assert [row["start"] for row in windows] == [0, 8, 12]
    assert [row["start"] for row in predict("--windows", "--overlap", 4)] == [0, 4, 8, 12]
    (mean,) = predict("--aggregate", "mean")
    assert mean["probabilities"]["anger"] == pytest.approx(np.mean([row["anger"] for row in windows]), abs=2e-6)


def test_where_nobody_speaks_there_is_no_label(run, model, tmp_path):
    file = tmp_path / "silence.wav"
    soundfile.write(file, np.zeros(RATE), RATE)
    code, (line,), errors = run("predict", "--model", model, file, "--json")
    assert (code, errors) == (0, [])
    assert json.loads(line)["label"] is None
    assert run("predict", "--model", model, file, "--csv")[1][1] == f"{file},,,,1.0,0.0,,,,"
    assert run("predict", "--model", model, file)[1][1].split()[:2] == ["-", "-"]
    assert run("predict", "--model", model, file, "--windows")[2] == [
        f"sercore: {file}: 0.0 of 1.0 s are speech: no label"
    ]


def test_folders_are_searched_for_recordings(run, model, tmp_path):
    for name in ("b/deep/two.FLAC", "a/one.wav", "b/._one.wav", "b/notes.txt", "three.ogg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        kind = {".flac": "FLAC", ".ogg": "OGG"}.get(Path(name).suffix.lower(), "WAV")
        soundfile.write(tmp_path / name, speech(1.0), RATE, format=kind)
    places = tmp_path, tmp_path / "a", tmp_path / "b/notes.txt"  # what is named itself is read, whatever its suffix
    code, lines, errors = run("predict", "--model", model, *places, "--json", "--no-vad")
    names = ["a/one.wav", "b/deep/two.FLAC", "three.ogg", "b/notes.txt"]
    assert (code, errors) == (0, [])
    assert [row["file"] for row in parse(lines)] == [str(tmp_path / name) for name in names]


@pytest.mark.fault("broken recording among others")
def test_broken_recordings_are_named_and_the_rest_is_done(run, model, tmp_path):
    for number in range(100):
        soundfile.write(tmp_path / f"{number:03}.wav", np.zeros(1600), RATE)
    broken = {tmp_path / "010x.wav": b"no audio", tmp_path / "020x.wav": b"", tmp_path / "030x.flac": b"fLaC"}
    for file, content in broken.items():
        file.write_bytes(content)
    code, lines, errors = run("predict", "--model", model, tmp_path, "--csv")
    assert code == 1
    assert len([*csv.DictReader(lines)]) == 100
    assert [error.split(": ")[1] for error in errors[:3]] == [*map(str, broken)]
    assert errors[3:] == ["sercore: 3 of 103 recordings failed"]


@pytest.mark.fault("cut MP3 whose decoder writes to standard error")
def test_decoder_that_writes_to_standard_error_is_kept_off_it(model, tmp_path):
    """libmpg123 does of an MP3 that is cut short."""
    soundfile.write(tmp_path / "cut.mp3", speech(5.0), RATE)
    (tmp_path / "cut.mp3").write_bytes((tmp_path / "cut.mp3").read_bytes()[:10_000])
    done = subprocess.run([*COMMAND, "predict", "--model", model, tmp_path / "cut.mp3"], capture_output=True, text=True)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert line.startswith(f"sercore: {tmp_path / 'cut.mp3'}: truncated")


@pytest.mark.fault("audio longer than is held whole")
def test_twenty_minutes_take_as_little_memory_as_one(model, tmp_path):
    """At 1 kHz, 8 bits, of silence, so that it takes seconds. Held whole, ten minutes take 500 MB."""
    if not Path("/proc/self/status").is_file():
        pytest.skip("needs Linux, whose getrusage counts the memory of these tests in, but which says more")
    with soundfile.SoundFile(tmp_path / "long.wav", "w", 1_000, 1, "PCM_U8") as file:
        file.write(np.zeros(1_200_000))
    command = ["predict", "--model", model, str(tmp_path / "long.wav"), "--json"]
    script = f"from sercore.cli import main; main({command!r}); print(open('/proc/self/status').read())"
    row, *status = subprocess.check_output([sys.executable, "-c", script], text=True).splitlines()
    kilobytes = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    assert json.loads(row)["seconds"] == 1200
    assert kilobytes < 200_000


@pytest.mark.fault("poisoned recording among others")
def test_poisoned_recordings_are_named_and_the_rest_is_done(run, model, tmp_path):
    soundfile.write(tmp_path / "a.wav", speech(1.0), 1)
    soundfile.write(tmp_path / "b.wav", np.full(1600, 1e20), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "c.wav", np.zeros(1600), RATE)
    (tmp_path / "d.raw").write_bytes(b"1234")
    files = [tmp_path / name for name in ("a.wav", "b.wav", "c.wav", "d.raw")]
    code, (line,), errors = run("predict", "--model", model, *files, "--json")
    assert (code, json.loads(line)["file"]) == (1, str(files[2]))
    assert [error.split(": ")[2].split(" (")[0] for error in errors[:-1]] == [
        "impossible sample rate",
        "holds values that are not finite, or too large",
        "has no header; convert it, or pipe it",
    ]


def test_standard_input_gives_the_windows_of_a_file(run, model, voice):
    expected = parse(run("predict", "--model", model, voice, "--windows", "--json")[1])
    raw = soundfile.read(voice, dtype="int16")[0].tobytes() + b"x"  # half a sample too many
    done = subprocess.run(
        [*COMMAND, "predict", "--model", model, "-", "--json"], input=raw, capture_output=True, check=True
    )
    assert parse(done.stdout.splitlines()) == [row | {"file": "-"} for row in expected]
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("sercore: -: ")
    assert "of 20.0 s are speech" in line


@contextmanager
def started(command):
    """A process that is killed when it says nothing for too long, and takes an interrupt though these tests may not."""
    pipes = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.PIPE)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    interruptible = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a process in the background ignores it
    with subprocess.Popen(command, env=buffered, preexec_fn=interruptible, **pipes) as process:
        patience = Timer(60, process.kill)
        patience.start()
        yield process
        patience.cancel()


@pytest.mark.fault("interrupt")
def test_windows_come_while_audio_comes_and_an_interrupt_is_one_line(model):
    with started([*COMMAND, "predict", "--model", model, "-", "--json", "--no-vad", "--rate", "8000"]) as process:
        for number in range(3):
            process.stdin.write(speech(4.5).tobytes())  # 9 s at 8 kHz
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["start"] == 8 * number
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr.read() == b"sercore: interrupted\n"


@pytest.mark.fault("closed pipe")
def test_reader_may_close_the_pipe(model, tmp_path):
    for number in range(300):
        soundfile.write(tmp_path / f"{number}.wav", speech(0.3), RATE)
    with started([*COMMAND, "predict", "--model", model, str(tmp_path), "--no-vad"]) as process:
        assert process.stdout.readline().startswith(b"label ")
        process.stdout.close()
        assert process.wait(20) == 141
        assert process.stderr.read() == b""


def test_timeline_is_drawn(run, model, voice, tmp_path):
    assert run("predict", "--model", model, voice, "--timeline", tmp_path / "note.png")[0] == 0
    assert (tmp_path / "note.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """One epoch of the demo profile, trained, exported and quantized; what was printed, and the files."""
    place = tmp_path_factory.mktemp("trained")
    environment = os.environ | {"SERCORE_RUNS": str(place / "runs")}

    def run(*arguments) -> list[str]:
        done = subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    scores = run("train", "demo", "--set", "epochs=1", "--set", "permanent=", "--set", "fold=2")
    files = [str(place / "fp32.onnx"), str(place / "w8.onnx")]
    sizes = run("export", scores[-1], files[0]) + run("quantize", files[0], "w8", files[1])
    return scores, sizes, files


def test_train_prints_the_scores_of_one_run(trained):
    scores, _, _ = trained
    assert Path(scores[-1]).name == "iemocap-fold2-epochs=1"
    measured = json.loads((Path(scores[-1]) / "metrics.json").read_text())["test"]
    assert f"test: WA {measured['WA']:.3f}, UA {measured['UA']:.3f}, macro_f1 {measured['macro_f1']:.3f}" in scores


def test_export_quantize_and_benchmark_follow(run, trained):
    _, sizes, files = trained
    assert [size.split(": ")[0] for size in sizes] == files
    code, lines, errors = run("benchmark", *files, "--repeats", 1)
    assert (code, errors) == (0, [])
    assert [line.split(": ")[0] for line in lines[:2]] == files
    assert sum(line.split()[0] in files for line in lines[2:]) == 2 * 3  # lengths


def test_what_goes_to_the_hub_is_one_folder(run, trained, tmp_path):
    """Its weights load by the call that transformers documents, and its card has the hub's metadata."""
    (run_folder, *_), folder = trained[0][::-1], tmp_path / "hub"
    code, *_ = run("export", run_folder, folder, "--hub")
    assert code == 0 and {*map(str, sorted(file.name for file in folder.iterdir()))} >= HUB
    assert AutoModelForAudioClassification.from_pretrained(folder).config.id2label == dict(enumerate(EMOTIONS))
    card = ModelCard.load(folder / "README.md").data
    assert card.pipeline_tag == "audio-classification" and card.eval_results and card.license


def test_corpora_are_counted(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SERCORE_CACHE", str(tmp_path / "cache"))
    code, lines, _ = run("corpora", "--profile", "demo", "--decode")
    assert code == 0
    assert {line.split(":")[0] for line in lines if not line.startswith(" ")} == {"iemocap", "cremad", "ravdess"}


def test_missing_corpora_are_named(run, monkeypatch, tmp_path):
    monkeypatch.setenv("SERCORE_RAVDESS", str(tmp_path / "absent"))
    monkeypatch.setenv("SERCORE_CREMAD", str(tmp_path / "absent"))
    code, lines, errors = run("corpora", "--profile", "open")
    assert (code, lines, len(errors)) == (2, [], 3)
    assert errors[-1] == "sercore: 2 of 2 corpora failed"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "Missing command; see sercore --help."),
        (["prdict"], "Did you mean 'predict'?"),
        (["predict", "--model", "MODEL"], "Missing argument 'FILE...'; see sercore --help."),
        (["predict", "--model", "MODEL", "VOICE", "--overlap", "much"], "Invalid value for '--overlap'"),
        (["predict", "--model", "MODEL", "VOICE", "--overlap", "9"], "overlap is 9.0; give 0.1 s less than window"),
        (
            ["predict", "--model", "MODEL", "VOICE", "--aggregate", "max"],
            "aggregate is 'max'; give one of weighted, mean, median",
        ),
        (["predict", "--model", "MODEL", "VOICE", "-"], "- (standard input) goes with no other file"),
        (["predict", "--model", "MODEL", "VOICE", "--rate", "8000"], "--rate is of standard input"),
        (["predict", "--model", "MODEL", "-", "--rate", "0"], "Invalid value for '--rate'"),
        (["predict", "--model", "MODEL", "-", "--rate", "-8000"], "Invalid value for '--rate'"),
        (
            ["predict", "--model", "MODEL", "VOICE", "absent.wav", "--timeline", "x.png"],
            "--timeline draws one recording; there are 2",
        ),
        (["predict", "--model", "MODEL", "VOICE", "--timeline", "x.wav"], "x.wav: must end in .png, .svg or .pdf"),
        (["predict", "--model", "absent.onnx", "VOICE"], "absent.onnx: no such file"),
        (["predict", "--model", "bsae", "VOICE"], "unknown model 'bsae'; choose base or small, or name a file"),
        (["predict", "--model", "BROKEN", "VOICE"], "broken.onnx: ONNX Runtime"),
        (["predict", "--model", "MODEL", "absent.wav", "--json"], "absent.wav: no such file"),
        (["predict", "--model", "MODEL", "TEXT", "--json"], "notes.txt: cannot be decoded"),
        (["predict", "MODEL", "VOICE"], "model.onnx: a model, no recording; name it with --model"),
        (["predict", "--model", "MODEL", "EMPTY"], "empty: no recordings in it, such as .aif"),
        (["train", "demo", "--set", "epoch=1"], "unknown setting 'epoch'; did you mean epochs?"),
        (["train", "demo", "--set", "epochs=many"], "epochs is 'many'; it must be of type int"),
        (["export", "EMPTY", "out.onnx"], "empty holds no finished run"),
        (["quantize", "absent.onnx", "w8", "out.onnx"], "absent.onnx: no such file"),
        (["quantize", "MODEL", "w9", "out.onnx"], ", ".join(SCHEMES)),
        (["quantize", "MODEL", "w8a8", "out.onnx"], "w8a8 needs training speech to calibrate with; add --calibrate"),
        (["benchmark", "MODEL", "VOICE"], "voice.wav: ONNX Runtime"),
        (["corpora", "--profile", "opne"], "profile 'opne': no file"),
    ],
)
def test_mistake_gets_one_line_and_exit_code_2(run, model, voice, tmp_path, arguments, line):
    (tmp_path / "empty").mkdir()
    files = {"BROKEN": tmp_path / "broken.onnx", "TEXT": tmp_path / "notes.txt"}
    for file in files.values():
        file.write_text("text")
    named = files | {"MODEL": model, "VOICE": voice, "EMPTY": tmp_path / "empty"}
    code, output, (error,) = run(*(named.get(argument, argument) for argument in arguments))
    assert (code, output) == (2, [])
    assert error.startswith("sercore: ")
    assert line in error
