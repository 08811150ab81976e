"""Small synthetic corpora in the exact on-disk layout, file grammar and quirks of the three real ones."""

import tempfile
import zlib
from pathlib import Path

import numpy as np
import soundfile

from sercore.data.corpora import cremad
from sercore.data.corpora.voice import Voice, draw_voice, express, speak

STRENGTH = (1.0, 0.2)  # how strongly an emotion is expressed: mean and standard deviation, 0 is neutral, 1 is full
APPLE_DOUBLE = bytes.fromhex("00051607 00020000") + b"Mac OS X        "  # a ._ file: begins so, holds no audio

IEMOCAP_RATE = 16_000  # Hz
IEMOCAP_SECONDS = (0.7, 1.3)
IEMOCAP_LONG = {"Ses01F_impro01_F003": (8.6, 8.6)}  # seconds, one utterance beyond the paper's 8 s
# The letter names who wears the markers; both speak in every dialog. The last two names have letters of their own.
IEMOCAP_DIALOGS = ("F_impro01", "F_script01_1", "M_impro05a", "M_script01_1b")
IEMOCAP_CODES = (  # per dialog, for its woman and its man; fru, sur, xxx and so on are outside the four
    ("ang neu hap sad fru", "neu ang exc sad xxx"),
    ("exc neu ang neu xxx", "hap neu sad exc oth"),
    ("sad hap neu exc sur", "ang exc neu neu fru"),
    ("neu exc sad ang dis", "sad neu hap ang fea"),
)
# Code: what raters call it, how it is spoken, mean valence, activation and dominance (1 to 5).
IEMOCAP_LABELS = {
    "ang": ("Anger", "anger", (1.9, 3.7, 3.9)),
    "hap": ("Happiness", "happiness", (3.9, 3.2, 3.1)),
    "exc": ("Excited", "happiness", (4.1, 3.8, 3.4)),
    "neu": ("Neutral state", "neutral", (3.0, 2.5, 2.7)),
    "sad": ("Sadness", "sadness", (2.1, 2.1, 2.4)),
    "fru": ("Frustration", "frustration", (2.2, 3.0, 3.2)),
    "sur": ("Surprise", "surprise", (3.2, 3.5, 2.9)),
    "dis": ("Disgust", "disgust", (2.1, 2.9, 3.1)),
    "fea": ("Fear", "fear", (2.0, 3.3, 2.2)),
    "oth": ("Other", "neutral", (2.9, 2.8, 2.8)),
    "xxx": ("Other", "frustration", (2.7, 2.8, 2.9)),
}
RATERS = ("E1", "E2")

CREMAD_RATE = 16_000  # Hz
CREMAD_SECONDS = (0.7, 1.2)
CREMAD_ACTORS = (*range(1001, 1019), 1040, 1076)
CREMAD_MANNERS = dict(ANG="anger", HAP="happiness", NEU="neutral", SAD="sadness", DIS="disgust", FEA="fear")
CREMAD_STRENGTH = {"LO": 0.6, "MD": 1.0, "HI": 1.3, "XX": 1.0}
CREMAD_STEMS = (  # an actor whose number leaves the remainder 0, 1 or 2 when divided by three says one of these lists
    "IEO_ANG_MD MTI_ANG_XX IEO_HAP_HI MTI_HAP_XX ITH_NEU_XX IEO_SAD_HI ITH_FEA_XX",
    "IEO_ANG_HI IEO_HAP_LO TIE_HAP_XX DFA_NEU_XX TIE_NEU_XX MTI_SAD_XX",
    "DFA_ANG_XX IEO_ANG_LO ITH_HAP_XX IEO_NEU_XX ITH_SAD_XX MTI_SAD_XX DFA_DIS_XX",
)
CREMAD_SILENT = "1076_MTI_SAD_XX"
CREMAD_TWINS = {"1006_TIE_NEU_XX": "1006_TIE_HAP_XX"}  # the same audio under two labels
CREMAD_OLD_STEMS = {"1040_ITH_SAD_XX": "1040_ITH_SAD_X"}

RAVDESS_RATE = 48_000  # Hz
RAVDESS_SECONDS = (0.6, 0.85)
RAVDESS_ACTORS = range(1, 13)
RAVDESS_MANNERS = ("neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise")  # codes 01 to 08
RAVDESS_STRENGTH = {1: 0.8, 2: 1.25}  # normal and strong intensity
RAVDESS_STEREO = ("03-01-03-01-02-01-01", "03-01-05-02-01-01-06")


def write_synthetic(name: str, folder: str | Path, seed: int = 0) -> Path:
    """Writes a synthetic corpus; a folder that holds something already is left as it is.

    It appears whole or not at all, so several processes may write it at once.

    Args:
        name: "iemocap", "cremad" or "ravdess".
        folder: where to write it.
        seed: of voices and speech; the same seed gives the same bytes.

    Returns:
        The folder.

    Raises:
        ValueError: unknown corpus.
    """
    writers = {"iemocap": _write_iemocap, "cremad": _write_cremad, "ravdess": _write_ravdess}
    if name not in writers:
        raise ValueError(f"unknown corpus {name!r}; choose one of {', '.join(writers)}")
    folder = Path(folder)
    if _holds_something(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as scratch:
        whole = Path(scratch) / name
        whole.mkdir()
        writers[name](whole, seed)
        try:
            whole.rename(folder)
        except OSError:
            if not _holds_something(folder):  # otherwise another process was faster: its copy is the same
                raise
    return folder


def _holds_something(folder: Path) -> bool:
    """Tells whether a folder is there with anything in it."""
    return folder.is_dir() and any(folder.iterdir())


def _generator(seed: int, *names: str) -> np.random.Generator:
    """Gives each speaker and utterance randomness of its own, whatever is written before it."""
    return np.random.default_rng([seed, zlib.crc32("/".join(names).encode())])


def _write_wav(path: Path, waveform: np.ndarray, sample_rate: int) -> None:
    """Writes a waveform, (samples,) or (samples, channels), as 16-bit PCM."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, waveform, sample_rate, subtype="PCM_16")


def _utter(
    voice: Voice, emotion: str, strength: float, seconds: tuple, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Speaks an emotion for a random duration between two, in seconds; shape (samples,)."""
    manner = express(emotion, strength * rng.normal(*STRENGTH))
    return speak(voice, manner, rng.uniform(*seconds), sample_rate, rng)


def _write_iemocap(folder: Path, seed: int) -> None:
    """Writes five sessions of four dialogs between a woman and a man."""
    for number in range(1, 6):
        session = folder / f"Session{number}"
        recording = f"Ses0{number}"
        sexes = {"F": "female", "M": "male"}
        voices = {who: draw_voice(sex, _generator(seed, "iemocap", recording + who)) for who, sex in sexes.items()}
        for dialog, codes in zip(IEMOCAP_DIALOGS, IEMOCAP_CODES, strict=True):
            _write_dialog(session, recording + dialog, dict(zip("FM", codes, strict=True)), voices, seed)


def _write_dialog(session: Path, dialog: str, codes: dict[str, str], voices: dict[str, Voice], seed: int) -> None:
    """Writes a dialog's utterances and its label file, each beside a dot-file."""
    start, lines = 6.29, ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
    turns = [(f"{dialog}_{who}{turn:03d}", who, code) for who in "FM" for turn, code in enumerate(codes[who].split())]
    for utterance, who, code in turns:
        rng = _generator(seed, "iemocap", utterance)
        seconds = IEMOCAP_LONG.get(utterance, IEMOCAP_SECONDS)
        waveform = _utter(voices[who], IEMOCAP_LABELS[code][1], 1.0, seconds, IEMOCAP_RATE, rng)
        _write_wav(session / "sentences/wav" / dialog / f"{utterance}.wav", waveform, IEMOCAP_RATE)
        end = start + len(waveform) / IEMOCAP_RATE
        lines += _label_lines(utterance, code, start, end, rng)
        start = end + 0.5
    (session / "sentences/wav" / dialog / f"._{turns[0][0]}.wav").write_bytes(APPLE_DOUBLE)
    labels = session / "dialog/EmoEvaluation"
    labels.mkdir(parents=True, exist_ok=True)
    (labels / f"{dialog}.txt").write_text("\n".join(lines))
    (labels / f"._{dialog}.txt").write_bytes(APPLE_DOUBLE)


def _label_lines(utterance: str, code: str, start: float, end: float, rng: np.random.Generator) -> list[str]:
    """Words an utterance's summary line, whose triple is its raters' mean, and the rater lines."""
    category, _, means = IEMOCAP_LABELS[code]
    ratings = np.clip(np.rint(rng.normal(means, 0.4, (len(RATERS), 3))), 1, 5).astype(int)
    triple = ", ".join(f"{mean:.4f}" for mean in ratings.mean(axis=0))
    categories = [f"C-{rater}:\t{category};\t()" for rater in RATERS]
    scales = [f"A-{rater}:\tval {v}; act {a}; dom  {d};\t()" for rater, (v, a, d) in zip(RATERS, ratings, strict=True)]
    return [f"[{start:.4f} - {end:.4f}]\t{utterance}\t{code}\t[{triple}]", *categories, *scales, ""]


def _write_cremad(folder: Path, seed: int) -> None:
    """Writes about six utterances of every actor, and the table of actors."""
    rows = ['"ActorID","Age","Sex","Race","Ethnicity"']
    for actor in CREMAD_ACTORS:
        sex = "female" if actor in cremad.FEMALE_ACTORS else "male"
        voice = draw_voice(sex, _generator(seed, "cremad", str(actor)))
        for stem in (f"{actor}_{rest}" for rest in CREMAD_STEMS[actor % 3].split()):
            path = folder / "AudioWAV" / f"{CREMAD_OLD_STEMS.get(stem, stem)}.wav"
            _write_wav(path, _cremad_waveform(voice, CREMAD_TWINS.get(stem, stem), seed), CREMAD_RATE)
        rows.append(f'{actor},30,"{sex.capitalize()}","Unknown","Unknown"')
    (folder / "VideoDemographics.csv").write_text("\n".join([*rows, ""]))


def _cremad_waveform(voice: Voice, stem: str, seed: int) -> np.ndarray:
    """Speaks what a stem says; shape (samples,)."""
    _, _, emotion, intensity = stem.split("_")
    manner, strength = CREMAD_MANNERS[emotion], CREMAD_STRENGTH[intensity]
    rng = _generator(seed, "cremad", stem)
    waveform = _utter(voice, manner, strength, CREMAD_SECONDS, CREMAD_RATE, rng)
    return waveform * (stem != CREMAD_SILENT)


def _write_ravdess(folder: Path, seed: int) -> None:
    """Writes six utterances of every actor: neutral, calm, happy, sad, angry and one outside the four."""
    for actor in RAVDESS_ACTORS:
        voice = draw_voice("male" if actor % 2 else "female", _generator(seed, "ravdess", str(actor)))
        for emotion in (1, 2, 3, 4, 5, 6 + actor % 3):
            intensity = 1 if emotion == 1 else 1 + (actor + emotion) % 2  # neutral has no strong intensity
            stem = f"03-01-{emotion:02d}-{intensity:02d}-{1 + actor % 2:02d}-01-{actor:02d}"
            rng = _generator(seed, "ravdess", stem)
            manner, strength = RAVDESS_MANNERS[emotion - 1], RAVDESS_STRENGTH[intensity]
            waveform = _utter(voice, manner, strength, RAVDESS_SECONDS, RAVDESS_RATE, rng)
            if stem in RAVDESS_STEREO:
                waveform = np.stack([waveform, waveform], axis=1)
            _write_wav(folder / f"Actor_{actor:02d}" / f"{stem}.wav", waveform, RAVDESS_RATE)
