"""LIGHT-SERNET as its paper describes it, and the two protocols that it is trained under."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.fft import dct

from sercore.data import loso_split, shared_speakers
from sercore.labels import EMOTIONS
from sercore.page import read_open
from sercore.page.published import read_peers


@pytest.fixture(scope="module")
def script(load_script):
    return load_script("light_sernet")


@pytest.fixture
def toned(table):
    """A feature matrix for each utterance of the made-up corpus, with a level of its emotion in one coefficient."""
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(95, 40)) for _ in range(len(table))]
    for row, emotion in zip(rows, table["emotion"], strict=True):
        row[:, 5 * EMOTIONS.index(emotion) :] += 3
    return pd.Series([row.astype(np.float16) for row in rows], table["utterance"], dtype=object)


def test_it_has_the_parameters_of_the_original(script):
    """Counted in the authors' code, with the statistics of batch normalization but not its counters of batches."""
    model = script.LightSerNet()
    counted = sum(values.numel() for values in model.state_dict().values() if values.is_floating_point())
    peers = read_peers().query("system == 'LIGHT-SERNET' and metric == 'parameters'")
    assert counted == peers["value"].item() and sum(weight.numel() for weight in model.parameters()) == 460_740


def test_a_frame_is_64_ms_and_the_next_starts_16_ms_later(script):
    """Of two seconds: (32,000 - 1,024) / 256 + 1 whole frames."""
    assert script.Mfcc()(torch.zeros(1, 32_000)).shape == (1, 1, 122, 40)


def test_coefficients_are_the_cosine_transform_of_log_mel_bands(script):
    """Turned back into bands, they are loudest at the tone's, on the mel scale of HTK between 40 and 7,600 Hz."""
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(16_000) / 16_000)[None]
    mfcc = script.Mfcc()
    coefficients = mfcc(tone)[0, 0].mean(0).numpy()
    smooth = dct(np.pad(coefficients, (0, 88)), type=3, norm="ortho")
    mel = 2595 * np.log10(1 + np.array([40, 1000, 7600]) / 700)
    expected = 128 * (mel[1] - mel[0]) / (mel[2] - mel[0])
    assert abs(smooth.argmax() - expected) < 3


def test_twice_the_length_is_twice_the_work_and_one_prediction(script):
    model = script.LightSerNet().eval()
    assert model(torch.zeros(2, 1, 122, 40)).shape == model(torch.zeros(2, 1, 247, 40)).shape == (2, len(EMOTIONS))
    system = torch.nn.Sequential(script.Mfcc(), model)
    work = [script.count_operations(system, seconds).sum() for seconds in (2, 4)]
    assert work[1] == pytest.approx(2 * work[0], rel=0.05)


def test_an_utterance_is_predicted_alike_in_any_company(script, table, toned):
    model = script.LightSerNet().eval()
    one, all_of_them = (script.embed(model, part, toned) for part in (table[:1], table))
    np.testing.assert_allclose(one[0], all_of_them[0], rtol=0.02, atol=0.02)  # bfloat16 has three digits


def test_the_file_that_is_timed_is_the_network_alone(script, tmp_path):
    """460,740 numbers of four bytes, and a little more for the graph."""
    mfcc = script.Mfcc()(torch.zeros(1, script.SAMPLES))
    session = script.export_network(tmp_path / "network.onnx", mfcc)
    (logits,) = session.run(None, {session.get_inputs()[0].name: mfcc.numpy()})
    assert logits.shape == (1, len(EMOTIONS))
    assert (tmp_path / "network.onnx").stat().st_size == pytest.approx(4 * 460_740, rel=0.02)


def test_random_folds_have_the_sizes_of_the_others_and_share_speakers(script, table):
    known, new = script.shuffle_split(table, 2), loso_split(table, 2)
    assert {name: len(part) for name, part in known.parts.items()} == {
        name: len(part) for name, part in new.parts.items()
    }
    assert shared_speakers(known) and not shared_speakers(new)


def test_every_utterance_is_tested_once_and_trains_in_no_fold_that_tests_it(script, table):
    splits = [script.shuffle_split(table, fold) for fold in range(1, 6)]
    assert sorted(pd.concat(split.test for split in splits)["utterance"]) == sorted(table["utterance"])
    for split in splits:
        assert sum(map(len, split.parts.values())) == len(pd.concat(split.parts.values())["utterance"].unique())


def test_a_fold_learns_what_can_be_learnt_and_the_test_part_never_chooses_a_worse_epoch(script, table, toned):
    found = script.run_fold(loso_split(table, 1), toned, epochs=12, seed=0)
    ua = {chosen: script.read_ua(own) for chosen, own in found.groupby("chosen")}
    assert ua["test"] >= ua["validation"] > 0.6


def test_the_same_seed_makes_the_same_predictions(script, table, toned):
    split = loso_split(table, 1)
    pd.testing.assert_frame_equal(*(script.run_fold(split, toned, epochs=2, seed=0) for _ in range(2)))


def test_a_finished_job_is_not_done_again(script, table):
    made = script.keep("open", "job", lambda: table.assign(chosen="validation"))
    again = script.keep("open", "job", lambda: pytest.fail("trained again"))
    pd.testing.assert_frame_equal(made, again)


def test_the_leak_is_over_new_speakers_and_a_validation_part(script):
    """Two speakers of four emotions: at first all wrong but one, then all right, by the table's construction."""
    rows = [(f"{speaker}{emotion}", speaker, emotion) for speaker in "AB" for emotion in EMOTIONS]
    right = pd.DataFrame(rows, columns=["utterance", "speaker", "y_true"]).assign(y_pred=lambda own: own["y_true"])
    wrong = right.assign(y_pred=EMOTIONS[0])
    chosen = {"validation": wrong, "test": right}
    folds = pd.concat(own.assign(chosen=name) for name, own in chosen.items())
    leak = script.tabulate_leak(folds, folds)
    assert leak["UA"].tolist() == [0.25, 1, 0.25, 1] and leak["gain"].tolist() == [0, 0.75, 0, 0.75]


def test_the_recorded_leak_is_over_what_the_page_has_of_the_same_folds():
    leak, cases = read_open("light_sernet_leak"), read_open("light_sernet").set_index("case")
    assert leak["UA"].iloc[0] == cases.loc["ravdess", "UA"] and (leak["utterances"] == 864).all()  # of RAVDESS, all
    assert np.allclose(leak["gain"], leak["UA"] - leak["UA"].iloc[0], atol=2e-6)
