"""The page in a browser: with a keyboard, on a phone, without a microphone, and when something is wrong with a file."""

import json

import numpy as np
import pytest
import soundfile
import torch

from sercore.export import export_onnx
from sercore.runtime import EmotionClassifier
from sercore.training import build_classifier

RATE = 16_000  # Hz
NAMED = {"button", "meter", "progressbar", "image", "img", "region", "table", "timer", "list"}
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def silent(tmp_path):
    file = tmp_path / "silence.wav"
    soundfile.write(file, np.zeros(3 * RATE), RATE)
    return file


def state(page) -> str:
    return page.get_attribute(".try-it", "data-state")


def status(page) -> str:
    return page.text_content("[data-part=status]")


def give(page, file) -> str:
    """The state that a file brings the page into."""
    page.set_input_files("[data-part=file]", str(file))
    return end(page)


def end(page) -> str:
    ends = ("result", "no-speech", "undecodable", "refused", "failed")
    page.wait_for_selector(",".join(f"[data-state={one}]" for one in ends), timeout=120_000)
    return state(page)


def saved(page) -> dict:
    """What the page has found, as it offers it."""
    with page.expect_download() as download:
        page.click("[data-part=save]")
    return json.loads(download.value.path().read_text())


def asked(page) -> set[str]:
    """Names of the files that have been fetched."""
    return {request.rsplit("/", 1)[1] for request in page.requests}


def focused(page) -> str:
    return page.evaluate("document.activeElement.dataset.part")


def tree(page) -> list[dict]:
    """What a screen reader gets: role and name of every element."""
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    value = "value"
    return [
        {"role": node["role"][value], "name": node.get("name", {}).get(value, ""), "live": _property(node, "live")}
        for node in nodes
        if not node["ignored"]
    ]


def _property(node: dict, name: str):
    return next((entry["value"]["value"] for entry in node.get("properties", []) if entry["name"] == name), None)


def test_it_says_what_the_model_is_worth_and_what_it_loads(visit):
    page = visit()
    assert "has not been trained. Its predictions mean nothing." in page.text_content("[data-part=banner]")
    assert state(page) == "ready" and "MB" in status(page)


def test_it_says_which_model_speaks_and_offers_no_other_where_there_is_none(visit):
    page = visit()
    assert page.text_content("[data-part=model]").startswith("Model fp32: 0.3 MB, scheme fp32.")
    assert page.is_visible("[data-part=model]") and page.is_hidden("[data-part=better]")


@pytest.fixture
def two_models(visit, change_settings, model, tmp_path):
    """A page whose second model gives other predictions, and that model."""
    torch.manual_seed(1)
    better = export_onnx(build_classifier("tiny").eval(), tmp_path / "better.onnx")
    (first,) = change_settings.settings["models"]
    second = first | {"file": better.name, "bytes": 11_300_000, "summary": "Model better: 11.3 MB, UA 0.827."}
    page = visit(script=change_settings(models=[first, second]))
    page.route("**/better.onnx", lambda route: route.fulfill(path=better))
    return page, EmotionClassifier(better, threads=1)


def test_the_better_model_analyses_again_what_was_analysed(two_models, analyze, short, classifier):
    page, better = two_models
    assert page.text_content("[data-part=better]") == "Use the better model (11 MB)"
    before = analyze(page, short)["windows"][0]
    page.focus("[data-part=better]")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-part=better]", state="hidden")
    assert end(page) == "result" and focused(page) == "file"
    assert page.text_content("[data-part=model]") == "Model better: 11.3 MB, UA 0.827."
    after, again = saved(page)["windows"][0], analyze(page, short)["windows"][0]
    assert after == again and "better.onnx" in asked(page)
    window = soundfile.read(short, dtype="float32")[0][round(RATE * after["start"]) : round(RATE * after["end"])]
    for found, used in ((before, classifier), (after, better)):
        assert {label: found[label] for label in used.labels} == pytest.approx(used.predict(window), abs=1e-4)
    assert max(abs(before[label] - after[label]) for label in better.labels) > 0.01


def test_the_better_model_alone_is_loaded_where_it_is_chosen_first(two_models, short):
    page, _ = two_models
    page.click("[data-part=better]")
    page.wait_for_selector("[data-part=status]:has-text('The better model is ready.')")
    assert state(page) == "ready" and give(page, short) == "result"
    assert "fp32.onnx" not in asked(page) and page.is_hidden("[data-part=better]")


def test_a_better_model_that_does_not_come_is_asked_for_again(two_models, short):
    page, _ = two_models
    page.route("**/better.onnx", lambda route: route.fulfill(status=404, body=""), times=1)
    page.click("[data-part=better]")
    assert end(page) == "failed" and "better.onnx cannot be fetched (404)" in status(page)
    page.errors[:] = [error for error in page.errors if "404" not in error]
    assert give(page, short) == "result" and "Model better" in page.text_content("[data-part=model]")


def test_nothing_large_is_loaded_before_it_is_needed(visit, change_settings, short):
    page = visit()
    page.wait_for_timeout(500)
    large = {*change_settings.settings["bytes"], change_settings.settings["models"][0]["file"]}
    assert not large & asked(page)
    give(page, short)
    assert large <= asked(page)


def test_keyboard_alone_hears_the_example(visit):
    page = visit()
    order = []
    for _ in range(3):
        page.keyboard.press("Tab")
        order.append(focused(page))
    assert order == ["record", "file", "example"]
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-part=stop]:focus")
    assert end(page) == "result" and focused(page) == "example"
    assert status(page).startswith("Done. The emotion is ")


def test_every_control_has_a_name(visit, long):
    page = visit()
    before = tree(page)
    assert give(page, long) == "result"
    found = before + tree(page)
    unnamed = [node for node in found if node["role"] in NAMED and not node["name"]]
    assert not unnamed
    assert {"Record", "Choose a file", "Try an example", "Save as JSON"} <= {
        node["name"] for node in found if node["role"] == "button"
    }
    assert any(node["role"] == "status" and node["live"] == "polite" for node in found)


def test_the_picture_says_what_the_table_has(visit, long):
    page = visit()
    give(page, long)
    rows = page.locator("[data-part=windows] tr")
    emotions = [row.locator("td").nth(1).text_content() for row in rows.all()]
    assert rows.count() >= 3
    assert f"Its {len(emotions)} windows in order: {', '.join(emotions)}." in page.text_content("svg title")
    assert page.locator("svg rect.share").count() == 4 * len(emotions)


def test_focus_is_visible(visit):
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(scheme, visit, long):
    page = visit(viewport=PHONE, color_scheme=scheme)
    assert give(page, long) == "result"
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_dropped_file_is_heard(visit, short):
    page = visit()
    transfer = page.evaluate_handle(
        """bytes => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "note.wav"));
            return data;
        }""",
        list(short.read_bytes()),
    )
    page.dispatch_event("[data-part=controls]", "drop", {"dataTransfer": transfer})
    assert end(page) == "result"


def test_a_second_file_replaces_the_first(visit, analyze, short, silent):
    page = visit()
    assert analyze(page, short)["label"] is not None
    assert analyze(page, silent)["label"] is None
    assert page.locator("[data-part=windows] tr").count() == 0 and page.is_hidden("[data-part=shares]")


def test_earlier_recordings_stay_in_sight(visit, analyze, short, silent):
    page = visit()
    assert page.is_hidden("[data-part=earlier]")
    label = analyze(page, short)["label"]
    analyze(page, silent)
    latest, before = page.locator("[data-part=history] li").all_text_contents()
    assert "no speech" in latest and label in before


def test_stop_gives_the_answer_so_far(visit, analyze, long, tmp_path):
    file, (waveform, rate) = tmp_path / "hour.wav", soundfile.read(long, dtype="float32")
    soundfile.write(file, np.tile(waveform, 100), rate)
    page = visit()
    page.set_input_files("[data-part=file]", str(file))
    page.locator("[data-part=windows] tr").first.wait_for()
    page.click("[data-part=stop]")
    assert end(page) == "result" and "so far" not in page.text_content("[data-part=answer]")


def test_no_speech_is_an_answer(visit, silent):
    page = visit()
    assert give(page, silent) == "no-speech"
    assert status(page).startswith("No speech was found") and page.is_visible("[data-part=save]")


@pytest.mark.fault("no WAV, or a damaged one, in the browser")
@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("note.mp3", b"no sound at all", "note.mp3 cannot be decoded by this browser"),
        ("note.wav", b"RIFF\x10\x00\x00\x00WAVE", "note.wav cannot be decoded by this browser"),
        ("empty.wav", b"", "empty.wav holds no audio"),
        ("short.wav", b"RIFF\x20\0\0\0WAVEfmt \4\0\0\0\1\0\1\0data\4\0\0\0\0\0\0\0", "short.wav has a damaged header"),
    ],
)
def test_what_cannot_be_decoded_is_named(name, content, sentence, visit, tmp_path):
    file = tmp_path / name
    file.write_bytes(content)
    page = visit()
    assert give(page, file) == "undecodable" and status(page).startswith(sentence)


@pytest.mark.fault("no WAV, or a damaged one, in the browser")
def test_a_file_that_is_cut_short_is_refused(visit, short, tmp_path):
    file = tmp_path / "cut.wav"
    file.write_bytes(short.read_bytes()[:-1000])
    page = visit()
    assert give(page, file) == "undecodable" and status(page).startswith("cut.wav is cut short")


@pytest.mark.fault("no WAV, or a damaged one, in the browser")
def test_values_that_are_not_finite_are_refused(visit, tmp_path):
    file = tmp_path / "nan.wav"
    soundfile.write(file, np.full(RATE, np.nan), RATE, "FLOAT")
    page = visit()
    assert give(page, file) == "undecodable" and "not finite" in status(page)


@pytest.mark.fault("no WAV, or a damaged one, in the browser")
def test_a_rate_that_is_no_rate_is_refused(visit, short, tmp_path):
    """The rate stands at byte 24 of a header."""
    file, content = tmp_path / "slow.wav", short.read_bytes()
    file.write_bytes(content[:24] + (1).to_bytes(4, "little") + content[28:])
    page = visit()
    assert give(page, file) == "undecodable" and status(page).startswith("slow.wav claims 1 channels at 1 Hz")


def test_damaged_weights_are_no_certainty(visit, short, tmp_path):
    network = build_classifier("tiny").eval()
    with torch.no_grad():
        network.classifier.weight[0, 0] = float("nan")
    file, page = export_onnx(network, tmp_path / "nan.onnx"), visit()
    page.route("**/fp32.onnx", lambda route: route.fulfill(path=file))
    assert give(page, short) == "failed" and "do not add up to 1; its weights are damaged" in status(page)


def test_without_a_model_the_page_says_how_to_build_it(visit, change_settings):
    page = visit(
        script=change_settings(ready=False, reason="This copy of the book has no model to try: npm is not installed.")
    )
    assert (
        state(page) == "unready" and "npm is not installed" in status(page) and page.is_hidden("[data-part=controls]")
    )


def test_without_webassembly_the_page_says_so(visit):
    page = visit(script="delete globalThis.WebAssembly")
    assert state(page) == "unready" and "WebAssembly" in status(page)


def test_without_audio_worklets_files_are_still_heard(visit, short):
    page = visit(script="delete globalThis.AudioWorkletNode")
    assert page.is_hidden("[data-part=record]") and "cannot record" in status(page)
    assert give(page, short) == "result"


def test_a_page_opened_from_a_disk_says_what_it_needs(visit, site):
    page = visit(at=(site / "book/try_it.html").as_uri(), runs=False)
    assert "python -m http.server" in status(page)
    page.errors[:] = [
        error for error in page.errors if "file:" not in error and "ERR_FAILED" not in error
    ]  # scripts on a disk


def test_nothing_works_without_scripts_and_the_page_says_so(visit):
    page = visit(java_script_enabled=False, runs=False)
    page.wait_for_timeout(1500)
    assert page.is_visible("[data-part=status]") and "JavaScript" in status(page)
