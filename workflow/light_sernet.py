"""LIGHT-SERNET (Aftab et al. 2022), re-implemented from its description: this project's protocol, and its own.

python workflow/light_sernet.py [profile]    # the corpora of the profile must be there; without one, open

Each fold leaves its predictions in runs/<profile>/light_sernet/ and is not trained again; the tables go where those of
the pages go, for `make results`.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from timeit import timeit

import librosa
import numpy as np
import onnxruntime
import opensmile
import pandas as pd
import torch
from scipy.fft import dct
from sklearn.model_selection import KFold
from torch import nn

import sercore
from sercore import page
from sercore.audio_files import SAMPLE_RATE
from sercore.data import UtteranceDataset, class_weights, load_split, load_target, load_utterances
from sercore.data.splits import Split, loso_split
from sercore.evaluation import align_moments, bootstrap_scores, fit_moments, score, tabulate_predictions
from sercore.experiment import FOLDS, Experiment
from sercore.export.latency import WARM_UP, count_operations
from sercore.labels import EMOTIONS
from sercore.paths import runs_root, whole_file
from sercore.runtime import EmotionClassifier
from sercore.training import AdaptiveFocalLoss

# From the settings in the authors' repository, but for the lowest frequency (80 Hz there, 40 Hz as described, like the
# Hamming window); not checked against the printed paper. That the last two pools are over time alone is our choice,
# on which the number of parameters does not depend.
WINDOW, HOP, LOWEST, HIGHEST = 1024, 256, 40, 7600  # samples, samples, Hz, Hz
MEL_BINS, COEFFICIENTS, FLOOR = 128, 40, 1e-6  # the floor of the logarithm is ours
DROPOUT, GAMMA, WEIGHT_DECAY = 0.3, 2.0, 1e-6
# Ours, for a processor. The paper: 3 or 7 s, 300 epochs, batches of 32, a rate of 1e-4 that decays from epoch 50 on.
SECONDS, EPOCHS, PRODUCTION_EPOCHS, BATCH, RATE = 1.5, 10, 4, 16, 1e-3
SAMPLES, TURNS, WORK = 8 * SAMPLE_RATE, 24, "million multiply-accumulates"  # of what it costs
COLUMNS = {"value": "UA", "low": "UA_low", "high": "UA_high"}


class Mfcc(nn.Module):
    """Mel-frequency cepstral coefficients: waveforms (batch, samples) to (batch, 1, frames, 40)."""

    def __init__(self):
        super().__init__()
        limits = {"n_mels": MEL_BINS, "fmin": LOWEST, "fmax": HIGHEST, "htk": True, "norm": None}
        cosines = dct(np.eye(MEL_BINS), norm="ortho")[:, :COEFFICIENTS]
        self.register_buffer("window", torch.hamming_window(WINDOW))
        self.register_buffer("mel", torch.from_numpy(librosa.filters.mel(sr=SAMPLE_RATE, n_fft=WINDOW, **limits)))
        self.register_buffer("cosines", torch.tensor(cosines, dtype=torch.float32))

    def forward(self, waveform):
        spectrum = torch.stft(waveform, WINDOW, HOP, window=self.window, center=False, return_complex=True).abs()
        return (((self.mel @ spectrum) + FLOOR).log().transpose(1, 2) @ self.cosines)[:, None]


class LightSerNet(nn.Module):
    """Three parallel paths, along time, along frequency and along both; five blocks; a mean over all that is left."""

    def __init__(self):
        super().__init__()
        paths = [make_block(1, 32, kernel, (2, 2), bias=True) for kernel in ((11, 1), (1, 9), (3, 3))]
        widths, pools = (96, 64, 96, 128, 160), ((2, 2), (2, 2), (2, 1), (2, 1))
        blocks = [make_block(*pair, 3, pool) for *pair, pool in zip(widths, widths[1:], pools, strict=False)]
        self.paths = nn.ModuleList(paths)
        self.blocks = nn.Sequential(*blocks, make_block(160, 320, 1))
        self.dropout, self.classifier = nn.Dropout(DROPOUT), nn.Linear(320, len(EMOTIONS))

    def embed(self, mfcc):
        """The mean of the last block's maps, (batch, 320), of (batch, 1, frames, 40)."""
        return self.blocks(torch.cat([path(mfcc) for path in self.paths], 1)).mean((2, 3))

    def forward(self, mfcc):
        return self.classifier(self.dropout(self.embed(mfcc)))


def make_block(entering: int, leaving: int, kernel, pool=None, bias: bool = False) -> nn.Sequential:
    """Convolution, batch normalization, ReLU and, with `pool`, the mean over so many frames and coefficients."""
    convolution = nn.Conv2d(entering, leaving, kernel, padding="same", bias=bias)
    return nn.Sequential(
        convolution,
        nn.BatchNorm2d(leaving),
        nn.ReLU(inplace=True),
        *([nn.AvgPool2d(pool, ceil_mode=True)] if pool else []),
    )


@torch.inference_mode()
def describe(table: pd.DataFrame, audio) -> pd.Series:
    """MFCC, float16 (frames, 40), of each utterance by its name; short ones are padded with silence to `SECONDS`."""
    mfcc, waveforms = Mfcc(), UtteranceDataset(table, audio)
    least = round(SECONDS * SAMPLE_RATE)
    padded = (waveforms[row]["input_values"] for row in range(len(table)))
    padded = (np.pad(one, (0, max(0, least - len(one)))) for one in padded)
    rows = [mfcc(torch.from_numpy(one)[None])[0, 0].half().numpy() for one in padded]
    return pd.Series(rows, table["utterance"], dtype=object)


def crop(features: list[np.ndarray], rng: np.random.Generator) -> torch.Tensor:
    """A batch (utterances, 1, frames, 40), `SECONDS` of each utterance from anywhere."""
    frames = (round(SECONDS * SAMPLE_RATE) - WINDOW) // HOP + 1
    starts = [rng.integers(len(one) - frames + 1) for one in features]
    return stack([one[start : start + frames] for one, start in zip(features, starts, strict=True)])


def stack(features: list[np.ndarray]) -> torch.Tensor:
    """A batch (utterances, 1, frames, 40) of features (frames, 40) of one length."""
    return torch.from_numpy(np.stack(features).astype(np.float32))[:, None].contiguous(
        memory_format=torch.channels_last
    )


def train_network(train: pd.DataFrame, features: pd.Series, epochs: int, seed: int) -> Iterator[LightSerNet]:
    """The network after each epoch of the second half, ready to predict."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = LightSerNet().to(memory_format=torch.channels_last)
    labels = torch.tensor(train["emotion"].map(EMOTIONS.index).to_list())
    inputs = features.loc[train["utterance"]].to_list()
    loss = AdaptiveFocalLoss(class_weights(train), GAMMA, 0.0)
    optimizer = torch.optim.Adam(model.parameters(), RATE, weight_decay=WEIGHT_DECAY)
    steps = len(train) // BATCH
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * steps)
    for epoch in range(1, epochs + 1):
        model.train()
        for rows in rng.permutation(len(train))[: steps * BATCH].reshape(steps, BATCH):
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(crop([inputs[row] for row in rows], rng))
            optimizer.zero_grad()
            loss(logits.float(), labels[rows]).backward()
            optimizer.step()
            schedule.step()
        if epoch > epochs // 2:
            yield model.eval()


@torch.inference_mode()
def embed(model: LightSerNet, part: pd.DataFrame, features: pd.Series) -> np.ndarray:
    """Embeddings (utterances, 320) of a part, of whole utterances; those of one length together."""
    inputs = features.loc[part["utterance"]].reset_index(drop=True)
    embeddings = np.empty((len(part), 320), np.float32)
    with torch.autocast("cpu", torch.bfloat16):
        for rows in inputs.groupby(inputs.map(len)).groups.values():
            embeddings[rows] = model.embed(stack(inputs[rows].to_list())).float().numpy()
    return embeddings


@torch.inference_mode()
def predict(model: LightSerNet, part: pd.DataFrame, embeddings: np.ndarray) -> pd.DataFrame:
    """Predictions of a part from its embeddings."""
    logits = model.classifier(torch.from_numpy(np.asarray(embeddings, np.float32)))
    return tabulate_predictions(part, logits.softmax(1).numpy())


def read_ua(predictions: pd.DataFrame) -> float:
    return score(predictions["y_true"], predictions["y_pred"])["UA"]


def run_fold(split: Split, features: pd.Series, epochs: int, seed: int) -> pd.DataFrame:
    """Predictions of the test part; the epoch is chosen on the part that the column `chosen` names."""
    best = {"validation": (-1.0, None), "test": (-1.0, None)}
    for model in train_network(split.train, features, epochs, seed):
        found = {name: predict(model, part := getattr(split, name), embed(model, part, features)) for name in best}
        for name in best:
            best[name] = max(best[name], (read_ua(found[name]), found["test"]), key=lambda pair: pair[0])
    return pd.concat(table.assign(chosen=name) for name, (_, table) in best.items())


def run_production(split: Split, target: pd.DataFrame, features: pd.Series, epochs: int, seed: int) -> pd.DataFrame:
    """Predictions of new speakers and of the unseen corpus (column `case`); validation speakers choose the epoch."""
    best = (-1.0, None)
    for model in train_network(split.train, features, epochs, seed):
        ua = read_ua(predict(model, split.validation, embed(model, split.validation, features)))
        if ua > best[0]:
            home, abroad = (embed(model, part, features) for part in (split.test, target))
            aligned = align_moments(
                abroad, fit_moments(embed(model, split.train, features)), target["corpus"] + target["speaker"]
            )
            best = (
                ua,
                [
                    predict(model, split.test, home).assign(case="new speakers"),
                    predict(model, target, abroad).assign(case="unseen corpus"),
                    predict(model, target, aligned).assign(case="unseen corpus, per speaker"),
                ],
            )
    return pd.concat(best[1])


def shuffle_split(table: pd.DataFrame, fold: int) -> Split:
    """As `loso_split` in its sizes, but of utterances in random order: speakers of the test part train, too."""
    parts = [rows for _, rows in KFold(len(FOLDS), shuffle=True, random_state=0).split(table)]
    test, validation = parts[fold - 1], parts[fold % len(FOLDS)]
    train = np.setdiff1d(np.arange(len(table)), [*test, *validation])
    return Split(*(table.iloc[rows].reset_index(drop=True) for rows in (train, validation, test)))


def keep(profile: str, name: str, compute: Callable) -> pd.DataFrame:
    """What a job predicts, from its file where it is done; `seconds` is the processor's time that it took."""
    file = runs_root() / profile / "light_sernet" / f"{name}.csv"
    if not file.is_file():
        started, table = process_time(), compute()
        table["seconds"] = process_time() - started
        with whole_file(file) as part:
            table.to_csv(part, index=False)
        print(f"{name}: {table['seconds'].iloc[0]:.0f} s", flush=True)
    return pd.read_csv(file, dtype={"speaker": str})


def train_all(profile: str) -> tuple[dict[str, pd.DataFrame], pd.DataFrame, pd.DataFrame]:
    """Predictions by case; and, with both ways to choose the epoch, of all folds of speakers and of utterances."""
    loso, production = (Experiment.from_profile(profile, split=split) for split in ("loso", "disjoint"))
    table, audio = load_utterances(loso.primary, loso)
    features = describe(table, audio)
    splits = {f"speakers-{fold}": loso_split(table, fold) for fold in FOLDS}
    splits |= {f"utterances-{fold}": shuffle_split(table, fold) for fold in FOLDS}
    made = {
        name: keep(profile, name, partial(run_fold, split, features, EPOCHS, int(name[-1])))
        for name, split in splits.items()
    }
    folds, shuffled = (pd.concat(own for name, own in made.items() if kind in name) for kind in ("speakers", "utter"))
    (split, audio), (target, sound) = load_split(production), load_target(production)

    def compute():
        own = pd.concat([describe(pd.concat(split.parts.values()), audio), describe(target, sound)])
        return run_production(split, target, own, PRODUCTION_EPOCHS, production.seed)

    cases = {loso.primary: folds.query("chosen == 'validation'")}
    cases |= dict(tuple(keep(profile, "production", compute).groupby("case", sort=False)))
    return cases, folds, shuffled


def tabulate_cases(cases: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """UA of every case with its interval, as the page has it of other systems."""
    rows = [{"system": "LIGHT-SERNET", "case": case, **bootstrap_scores(own).loc["UA"]} for case, own in cases.items()]
    return pd.DataFrame(rows).rename(columns=COLUMNS)


def tabulate_leak(folds: pd.DataFrame, shuffled: pd.DataFrame) -> pd.DataFrame:
    """UA by who trains and by what chooses the epoch, and the gain over new speakers and a validation part, paired."""
    rows, honest = [], folds.query("chosen == 'validation'")
    for speakers, table in {"new": folds, "known": shuffled}.items():
        for chosen, own in table.groupby("chosen", sort=False):
            found = bootstrap_scores(honest, own).loc["UA"]
            columns = {"other": "UA", "other_low": "UA_low", "other_high": "UA_high"}
            found = found.rename(columns).drop(["one", "one_low", "one_high"])
            rows.append({"speakers": speakers, "epoch chosen on": chosen, "utterances": len(own), **found})
    return pd.DataFrame(rows)


def export_network(file: Path, mfcc: torch.Tensor) -> onnxruntime.InferenceSession:
    """Writes the network behind the coefficients as an ONNX file; its session has one thread."""
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(LightSerNet().eval(), mfcc, str(file), opset_version=17, dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def measure_time(mfcc: Mfcc, session: onnxruntime.InferenceSession) -> pd.DataFrame:
    """What each system takes for 8 s of audio, median and quartiles over turns.

    Milliseconds of one thread's processor time, which other work on the machine hardly changes. Models that ship trim
    and filter the waveform, too; LIGHT-SERNET is timed as coefficients and network.
    """
    sound = np.random.default_rng(0).normal(0, 0.1, (1, SAMPLES)).astype(np.float32)
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    name = session.get_inputs()[0].name
    systems = {
        "LIGHT-SERNET": lambda: session.run(None, {name: mfcc(torch.from_numpy(sound)).numpy()}),
        "eGeMAPS, SVM": lambda: smile.process_signal(sound[0], SAMPLE_RATE),
    }
    for system, model in {"base, fine-tuned": "base", "small, distilled": "small"}.items():
        systems[system] = partial(EmotionClassifier(sercore.MODELS[model], threads=1).probabilities, sound)
    turns = [
        {name: 1000 * timeit(run, number=1, timer=process_time) for name, run in systems.items()} for _ in range(TURNS)
    ]
    costs = pd.DataFrame(turns[WARM_UP:]).quantile([0.5, 0.25, 0.75]).T.set_axis(["median", "low", "high"], axis=1)
    return costs.rename_axis("system").reset_index()


def measure_costs(predictions: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The time of every system; and this one's size and work, its epochs, and the minutes that its training took."""
    mfcc = Mfcc()
    with TemporaryDirectory() as folder:
        session = export_network(file := Path(folder) / "network.onnx", mfcc(torch.zeros(1, SAMPLES)))
        size = file.stat().st_size / 1e6
    facts = {"million parameters": sum(weight.numel() for weight in LightSerNet().parameters()) / 1e6}
    work = count_operations(nn.Sequential(mfcc, LightSerNet()), 8)  # the products behind the Fourier transform, too
    facts |= {WORK: work.sum() / 1e6, "MB": size, "epochs": EPOCHS}
    facts |= {"production_epochs": PRODUCTION_EPOCHS, "minutes": predictions["seconds"].unique().sum() / 60}
    return measure_time(mfcc, session), pd.DataFrame([facts])


def main(profile: str) -> None:
    """Trains what is not trained yet, and leaves the four tables of the page."""
    torch.set_num_threads(1)
    cases, folds, shuffled = train_all(profile)
    costs, facts = measure_costs(pd.concat([*cases.values(), folds, shuffled]))
    tables = {"": tabulate_cases(cases), "_leak": tabulate_leak(folds, shuffled), "_costs": costs, "_facts": facts}
    for name, table in tables.items():
        page.record_table(Experiment.from_profile(profile), f"light_sernet{name}", table)
        print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main(*sys.argv[1:] or ["open"])
