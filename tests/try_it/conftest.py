"""The page "Try it" as the book serves it, in a real browser. Needs Chromium, playwright and onnxruntime-web (npm)."""

import functools
import importlib.util
import json
import re
import shutil
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle

import librosa
import numpy as np
import pytest
import soundfile
import torch

from sercore.audio_files import read_audio
from sercore.demo import draw_voice, express_emotion, speak
from sercore.export import export_onnx
from sercore.labels import EMOTIONS
from sercore.paths import PROJECT
from sercore.runtime import EmotionClassifier
from sercore.training import build_classifier

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
RATE = 16_000  # Hz
PAUSES = (0.3, 0.2, 0.4, 0.1, 0.2, 0.3, 0.2, 0.4, 2.5)  # s between utterances; the last one ends a passage
ENDS = ("result", "no-speech", "undecodable", "refused", "failed")
DEFAULTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="session")
def workflow():
    """workflow/live.py as a module."""
    sys.path.insert(0, str(PROJECT / "workflow"))
    spec = importlib.util.spec_from_file_location("live", PROJECT / "workflow/live.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.pop(0)
    return module


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A float file of random weights whose predictions differ from sound to sound; the runtimes agree on it to 1e-6."""
    torch.manual_seed(0)
    network = build_classifier("tiny").eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.02)
        network.classifier.weight.mul_(200)
    return export_onnx(network, tmp_path_factory.mktemp("model") / "fp32.onnx")


@pytest.fixture(scope="session")
def classifier(model):
    return EmotionClassifier(model, threads=1)


@pytest.fixture(scope="session")
def site(model, workflow, tmp_path_factory):
    """A folder with the page and all it needs: the page's own block of HTML in a document of its own."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(PROJECT / "book/_static", folder / "_static")
    with pytest.MonkeyPatch.context() as patch:
        kept = PROJECT / "runs"  # where a book was built, npm's files are there
        patch.setenv("SERCORE_RUNS", str(kept if (kept / f"runtimes/web-{workflow.WEB}").is_dir() else folder))
        settings = workflow.fill_folder([model], folder / "_static/try_it")
    if not settings["ready"]:
        pytest.skip(settings["reason"])
    (folder / "book").mkdir()
    (folder / "book/try_it.html").write_text(document((PROJECT / "book/try_it.md").read_text()))
    return folder


def document(page: str) -> str:
    policy = re.search(r'"http-equiv=Content-Security-Policy": "(.*)"', page)[1]
    block = re.search(r"```\{raw\} html\n(.*?)\n```", page, re.DOTALL)[1]
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}"><link rel="icon" href="data:,">'
    head += '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="../_static/custom.css">'
    body = f'<body><main class="bd-article">{block}</main></body>'
    return f'<!doctype html><html lang="en"><title>Try it</title>{head}{body}</html>'


@pytest.fixture(scope="session")
def address(site):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def playwright():
    if not CHROMIUM:
        pytest.skip("needs a Chromium browser, such as Debian's package chromium")
    with pytest.importorskip("playwright.sync_api").sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def chromium(playwright):
    """Starts a browser with more arguments; one for each set of them."""
    started = {}

    def get(*arguments: str):
        if arguments not in started:
            started[arguments] = playwright.chromium.launch(executable_path=CHROMIUM, args=[*DEFAULTS, *arguments])
        return started[arguments]

    yield get
    for browser in started.values():
        browser.close()


@pytest.fixture
def visit(chromium, address):
    """Opens the page and, where it `runs`, waits for it. In the end no request has left it, and no error is logged."""
    contexts, requests, errors = [], [], []

    def open_page(*arguments, at=f"{address}/book/try_it.html", script="", runs=True, **settings):
        context = chromium(*arguments).new_context(**settings)
        contexts.append(context)
        context.on("request", lambda request: requests.append(request.url))
        page = context.new_page()
        page.on(
            "console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.add_init_script(script)
        page.errors, page.requests = errors, requests
        page.goto(at)
        page.wait_for_selector(".try-it:not([data-state=starting])" if runs else ".try-it")
        return page

    yield open_page
    for context in contexts:
        context.close()
    outside = [request for request in requests if not request.startswith((f"{address}/", "blob:", "data:", "file:"))]
    assert not outside and not errors


@pytest.fixture
def analyze():
    """Gives a page a file and reads what it saves."""

    def analyze(page, file) -> dict:
        page.set_input_files("[data-part=file]", str(file))
        assert ended(page) in ("result", "no-speech"), status(page)
        with page.expect_download() as saved:
            page.click("[data-part=save]")
        return json.loads(saved.value.path().read_text())

    return analyze


def ended(page) -> str:
    page.wait_for_selector(",".join(f"[data-state={state}]" for state in ENDS), timeout=120_000)
    return page.get_attribute(".try-it", "data-state")


def status(page) -> str:
    return page.text_content("[data-part=status]")


def spoken(emotion: str, seconds: float, seed: int = 0) -> np.ndarray:
    """A synthetic utterance at 16 kHz."""
    rng = np.random.default_rng(seed)
    return speak(
        draw_voice(("female", "male")[seed % 2], rng), express_emotion(emotion, 1.0), seconds, RATE, rng
    ).astype(np.float32)


@pytest.fixture(scope="session")
def utterances(request) -> list[np.ndarray]:
    """Real utterances of CREMA-D where it lies on the machine, else synthetic ones."""
    try:
        folder = request.getfixturevalue("real_cremad")
    except pytest.skip.Exception:
        lengths = zip(
            EMOTIONS[:3] * 2, (3, 12, 4, 5, 3, 9), strict=True
        )  # s; Silero takes no synthetic sadness for speech
        return [spoken(emotion, seconds, seed) for seed, (emotion, seconds) in enumerate(lengths)]
    files = sorted(file for file in folder.rglob("1001_*") if file.suffix in (".wav", ".opus"))
    return [read_audio(file) for file in files[::4]]


@pytest.fixture(scope="session")
def short(utterances, tmp_path_factory):
    """One utterance as a file at 16 kHz."""
    file = tmp_path_factory.mktemp("audio") / "short.wav"
    soundfile.write(file, utterances[0], RATE)
    return file


@pytest.fixture(scope="session")
def long(utterances, tmp_path_factory):
    """Utterances without the silence at their ends, with pauses of different lengths between them, as one file."""
    rng = np.random.default_rng(0)
    parts = []
    for utterance, pause in zip(utterances, cycle(PAUSES), strict=False):
        parts += [librosa.effects.trim(utterance, top_db=20)[0], rng.normal(0, 1e-4, round(pause * RATE))]
    file = tmp_path_factory.mktemp("audio") / "long.wav"
    soundfile.write(file, np.concatenate(parts), RATE)
    return file


@pytest.fixture(scope="session")
def change_settings(site):
    """A script that makes the page read other settings; what each model has of its own changes in the model."""

    def script(models=None, **changes) -> str:
        models = [
            model | {name: changes[name] for name in changes if name in model}
            for model in models or script.settings["models"]
        ]
        response = f"new Response({json.dumps(json.dumps(script.settings | changes | {'models': models}))})"
        asked = "String(what).endsWith('/settings.json')"
        return f"const ask = fetch; window.fetch = (what, how) => {asked} ? {response} : ask(what, how);"

    script.settings = json.loads((site / "_static/try_it/settings.json").read_text())
    return script
