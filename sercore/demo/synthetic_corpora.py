"""Small synthetic corpora in the exact on-disk layout, file grammar and quirks of the three real ones."""

import tempfile
import zlib
from pathlib import Path

import numpy as np
import soundfile

from sercore.demo.voices import Voice, draw_voice, express_emotion, speak

RATE = {"iemocap": 16_000, "cremad": 16_000, "ravdess": 48_000}  # Hz
SECONDS = {"iemocap": (0.7, 1.3), "cremad": (0.7, 1.2), "ravdess": (0.6, 0.85)}  # shortest and longest
STRENGTH = (1.0, 0.2)  # how strongly an emotion is expressed: mean and standard deviation, 0 is neutral, 1 is full
APPLE_DOUBLE = bytes.fromhex("00051607 00020000") + b"Mac OS X        "  # a ._ file: begins so, holds no audio
IEMOCAP_LONG = {"Ses01F_impro01_F003": (8.6, 8.6)}  # seconds; one utterance beyond the paper's 8 s
IEMOCAP_SPEAKERS = (("F", "female"), ("M", "male"))
# Codes per dialog, for its woman and its man, who both speak in it; the letter names who wears the markers.
IEMOCAP_DIALOGS = {
    "F_impro01": ("ang neu hap sad fru", "neu ang exc sad xxx"),
    "F_script01_1": ("exc neu ang neu xxx", "hap neu sad exc oth"),
    "M_impro05a": ("sad hap neu exc sur", "ang exc neu neu fru"),
    "M_script01_1b": ("neu exc sad ang dis", "sad neu hap ang fea"),
}
# Code: what raters call it, how it is spoken, mean valence, activation and dominance (1 to 5) at full strength. As the
# voice does, they move from neutral with the strength; what is spoken the same is rated the same.
IEMOCAP_LABELS = {
    "ang": ("Anger", "anger", (1.9, 3.9, 3.9)),
    "hap": ("Happiness", "happiness", (4.0, 3.5, 3.2)),
    "exc": ("Excited", "happiness", (4.0, 3.5, 3.2)),
    "neu": ("Neutral state", "neutral", (3.0, 2.5, 2.7)),
    "sad": ("Sadness", "sadness", (2.1, 1.9, 2.2)),
    "fru": ("Frustration", "frustration", (2.2, 3.0, 3.2)),
    "sur": ("Surprise", "surprise", (3.2, 3.5, 2.9)),
    "dis": ("Disgust", "disgust", (2.1, 2.9, 3.1)),
    "fea": ("Fear", "fear", (2.0, 3.3, 2.2)),
    "oth": ("Other", "neutral", (3.0, 2.5, 2.7)),
    "xxx": ("Other", "frustration", (2.2, 3.0, 3.2)),
}

CREMAD_ACTORS = (*range(1001, 1019), 1040, 1076)
CREMAD_WOMEN = {1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1076}
CREMAD_MANNERS = {name[:3].upper(): name for name in ("anger", "happiness", "neutral", "sadness", "disgust", "fear")}
CREMAD_STRENGTH = {"LO": 0.6, "MD": 1.0, "HI": 1.3, "XX": 1.0}
CREMAD_STEMS = (  # an actor whose number leaves the remainder 0, 1 or 2 when divided by three says one of these lists
    "IEO_ANG_MD MTI_ANG_XX IEO_HAP_HI MTI_HAP_XX ITH_NEU_XX IEO_SAD_HI ITH_FEA_XX",
    "IEO_ANG_HI IEO_HAP_LO TIE_HAP_XX DFA_NEU_XX TIE_NEU_XX MTI_SAD_XX",
    "DFA_ANG_XX IEO_ANG_LO ITH_HAP_XX IEO_NEU_XX ITH_SAD_XX MTI_SAD_XX DFA_DIS_XX",
)
CREMAD_SILENT = "1076_MTI_SAD_XX"
CREMAD_TWINS = {"1006_TIE_NEU_XX": "1006_TIE_HAP_XX"}  # the same audio under two labels
CREMAD_OLD_STEMS = {"1040_ITH_SAD_XX": "1040_ITH_SAD_X"}

RAVDESS_MANNERS = ("neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise")  # codes 01 to 08
RAVDESS_STRENGTH = {1: 0.8, 2: 1.25}  # normal and strong intensity
RAVDESS_STEREO = ("03-01-03-01-02-01-01", "03-01-05-02-01-01-06")


def write_corpus(name: str, folder: str | Path, seed: int = 0) -> Path:
    """Writes a synthetic corpus, whole or not at all, and returns its folder; one that holds something is left alone.

    Args:
        name: "iemocap", "cremad" or "ravdess".
        folder: where to write it; several processes may do so at once.
        seed: of voices and speech; the same seed gives the same bytes.

    Raises:
        ValueError: a corpus that has no synthetic stand-in.
    """
    writers = {"iemocap": _write_iemocap, "cremad": _write_cremad, "ravdess": _write_ravdess}
    if name not in writers:
        raise ValueError(f"there is no synthetic {name!r}, only {', '.join(writers)}; name its real folder.")
    folder = Path(folder)
    if any(folder.glob("*")):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as scratch:
        whole = Path(scratch) / name
        writers[name](whole, seed)
        try:
            whole.rename(folder)
        except OSError:
            if not any(folder.glob("*")):  # else another process was faster: its copy is the same
                raise
    return folder


def _generator(seed: int, *names: str) -> np.random.Generator:
    """Gives each speaker and utterance randomness of its own, whatever is written before it."""
    return np.random.default_rng([seed, zlib.crc32("/".join(names).encode())])


def _utter(corpus: str, seed: int, utterance: str, voice: Voice, emotion: str, strength: float = 1.0) -> tuple:
    """Speaks an emotion, about so strongly: waveform (samples,), how strongly, and the generator for what follows."""
    rng = _generator(seed, corpus, utterance)
    strength *= rng.normal(*STRENGTH)
    seconds = rng.uniform(*IEMOCAP_LONG.get(utterance, SECONDS[corpus]))
    return speak(voice, express_emotion(emotion, strength), seconds, RATE[corpus], rng), strength, rng


def _write_wav(path: Path, waveform: np.ndarray, corpus: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, waveform, RATE[corpus], subtype="PCM_16")


def _write_iemocap(folder: Path, seed: int) -> None:
    """Five sessions of four dialogs between a woman and a man."""
    for session in ("Ses01", "Ses02", "Ses03", "Ses04", "Ses05"):
        voices = {who: draw_voice(sex, _generator(seed, "iemocap", session + who)) for who, sex in IEMOCAP_SPEAKERS}
        for dialog, codes in IEMOCAP_DIALOGS.items():
            _write_dialog(folder / f"Session{session[-1]}", session + dialog, codes, voices, seed)


def _write_dialog(session: Path, dialog: str, codes: tuple[str, str], voices: dict[str, Voice], seed: int) -> None:
    """A dialog's utterances and its label file, each beside a dot-file."""
    start, lines = 6.29, ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
    audio, labels = session / "sentences/wav" / dialog, session / "dialog/EmoEvaluation"
    for who, turns in zip("FM", codes, strict=True):
        for turn, code in enumerate(turns.split()):
            utterance = f"{dialog}_{who}{turn:03d}"
            (_, emotion, full), (_, _, neutral) = IEMOCAP_LABELS[code], IEMOCAP_LABELS["neu"]
            waveform, strength, rng = _utter("iemocap", seed, utterance, voices[who], emotion)
            _write_wav(audio / f"{utterance}.wav", waveform, "iemocap")
            means = neutral + strength * np.subtract(full, neutral)
            ratings = np.clip(np.rint(rng.normal(means, 0.4, (2, 3))), 1, 5).astype(int)
            end = start + len(waveform) / RATE["iemocap"]
            lines += _label_lines(f"[{start:.4f} - {end:.4f}]\t{utterance}", code, ratings)
            start = end + 0.5
    labels.mkdir(parents=True, exist_ok=True)
    (labels / f"{dialog}.txt").write_text("\n".join(lines))
    for dot_file in (audio / f"._{dialog}_F000.wav", labels / f"._{dialog}.txt"):
        dot_file.write_bytes(APPLE_DOUBLE)


def _label_lines(beginning: str, code: str, ratings: np.ndarray) -> list[str]:
    """An utterance's summary line, whose triple is its raters' mean, and the rater lines; ratings (2, 3)."""
    triple = ", ".join(f"{mean:.4f}" for mean in ratings.mean(axis=0))
    categories = [f"C-E{rater}:\t{IEMOCAP_LABELS[code][0]};\t()" for rater in (1, 2)]
    scales = [f"A-E{rater}:\tval {v}; act {a}; dom  {d};\t()" for rater, (v, a, d) in enumerate(ratings, start=1)]
    return [f"{beginning}\t{code}\t[{triple}]", *categories, *scales, ""]


def _write_cremad(folder: Path, seed: int) -> None:
    """About six utterances of every actor, and the table of actors."""
    rows = ['"ActorID","Age","Sex","Race","Ethnicity"']
    for actor in CREMAD_ACTORS:
        sex = "female" if actor in CREMAD_WOMEN else "male"
        voice = draw_voice(sex, _generator(seed, "cremad", str(actor)))
        for stem in (f"{actor}_{rest}" for rest in CREMAD_STEMS[actor % 3].split()):
            spoken = CREMAD_TWINS.get(stem, stem)
            _, _, emotion, intensity = spoken.split("_")
            manner, strength = CREMAD_MANNERS[emotion], CREMAD_STRENGTH[intensity]
            waveform, *_ = _utter("cremad", seed, spoken, voice, manner, strength)
            if stem == CREMAD_SILENT:
                waveform = np.zeros_like(waveform)
            _write_wav(folder / "AudioWAV" / f"{CREMAD_OLD_STEMS.get(stem, stem)}.wav", waveform, "cremad")
        rows.append(f'{actor},30,"{sex.capitalize()}","Unknown","Unknown"')
    (folder / "VideoDemographics.csv").write_text("\n".join([*rows, ""]))


def _write_ravdess(folder: Path, seed: int) -> None:
    """Six utterances of every actor: neutral, calm, happy, sad, angry and one of another emotion."""
    for actor in range(1, 13):
        voice = draw_voice("male" if actor % 2 else "female", _generator(seed, "ravdess", str(actor)))
        for emotion in (1, 2, 3, 4, 5, 6 + actor % 3):
            intensity = 1 if emotion == 1 else 1 + (actor + emotion) % 2  # neutral has no strong intensity
            stem = f"03-01-{emotion:02d}-{intensity:02d}-{1 + actor % 2:02d}-01-{actor:02d}"
            manner, strength = RAVDESS_MANNERS[emotion - 1], RAVDESS_STRENGTH[intensity]
            waveform, *_ = _utter("ravdess", seed, stem, voice, manner, strength)
            if stem in RAVDESS_STEREO:
                waveform = np.stack([waveform, waveform], axis=1)
            _write_wav(folder / f"Actor_{actor:02d}" / f"{stem}.wav", waveform, "ravdess")
