"""Recording: a file stands in for the microphone."""

import re

import pytest
import soundfile
import soxr

FAKE = "--use-fake-device-for-media-stream"
ALLOWED = "--use-fake-ui-for-media-stream"
RATE = 16_000  # Hz
KEPT = """
const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => (window.media = await get(wanted));
"""


@pytest.fixture(scope="module")
def microphone(long, tmp_path_factory):
    """Arguments that make a browser take the long note for a microphone."""
    file = tmp_path_factory.mktemp("microphone") / "spoken.wav"
    soundfile.write(file, soxr.resample(soundfile.read(long)[0], RATE, 48_000), 48_000, "PCM_16")
    return FAKE, ALLOWED, f"--use-file-for-fake-audio-capture={file}"


def state(page, *states: str) -> str:
    page.wait_for_selector(",".join(f"[data-state={one}]" for one in states), timeout=60_000)
    return page.get_attribute(".try-it", "data-state")


def test_windows_come_while_it_records(microphone, visit, change_settings):
    page = visit(
        *microphone,
        script=change_settings(voice_note=change_settings.settings["models"][0]["voice_note"] | {"window": 1.0}),
    )
    page.click("[data-part=record]")
    assert state(page, "recording", "failed") == "recording"
    page.locator("[data-part=windows] tr").nth(1).wait_for(timeout=60_000)
    assert page.text_content("[data-part=answer]").endswith(", so far")
    for _ in range(300):  # polled from here: the page forbids texts that are evaluated, which a predicate would be
        if page.evaluate("document.querySelector('[data-part=level]').value") > -60:
            break
        page.wait_for_timeout(100)
    else:
        pytest.fail("the level meter stays at its lowest")
    page.click("[data-part=stop]")
    assert state(page, "result", "failed") == "result"
    length = float(re.search(r"Of ([\d.]+) s", page.text_content("[data-part=detail]"))[1])
    assert 1 < length < 60


def test_the_microphone_is_let_go(microphone, visit):
    page = visit(*microphone, script=KEPT)
    page.click("[data-part=record]")
    state(page, "recording")
    page.wait_for_timeout(1500)
    page.click("[data-part=stop]")
    assert state(page, "result", "no-speech", "failed") != "failed"
    assert page.evaluate("media.getTracks().map(track => track.readyState)") == ["ended"]


@pytest.mark.parametrize(
    ("arguments", "script", "sentence"),
    [
        ([FAKE], "", "Recording was refused. Allow the microphone"),
        ([], "", "No microphone was found."),
        ([], "Object.defineProperty(navigator, 'mediaDevices', {value: undefined})", "This browser cannot record"),
    ],
    ids=["refused", "absent", "insecure"],
)
def test_without_a_microphone_the_page_says_what_to_do(arguments, script, sentence, visit):
    page = visit(*arguments, script=script)
    if page.is_visible("[data-part=record]"):
        page.click("[data-part=record]")
        assert state(page, "refused", "failed", "recording") == "refused"
    assert page.text_content("[data-part=status]").startswith(sentence)
    assert page.is_visible("label:has([data-part=file])")


def test_stop_before_anything_is_heard(microphone, visit):
    page = visit(*microphone)
    page.evaluate(
        "document.querySelector('[data-part=record]').click(); document.querySelector('[data-part=stop]').click()"
    )
    assert state(page, "ready", "failed", "result", "undecodable") == "ready"
