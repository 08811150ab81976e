"""One Experiment: every setting of a run, typed, documented and checked where it enters."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path

import yaml

from sercore import paths

FOLDS = (1, 2, 3, 4, 5)  # one for each session of the primary corpus
CHOICES = {
    "task": ("categorical", "dimensional"),
    "split": ("loso", "random", "disjoint"),
    "calm": ("neutral", "exclude"),
    "broken": ("report", "stop"),
    "length": ("fixed", "longest"),
    "augmentation": ("paper", "views", "none"),
    "head": ("trained", "regression"),
    "report_to": ("none", "tensorboard", "wandb"),
}
LARGEST = 2**32 - 1  # of a seed; no number of another setting comes near it
RANGES = {
    "fold": (FOLDS[0], FOLDS[-1]),
    "warmup_ratio": (0, 1),
    "label_smoothing": (0, 1),
    "interpolation": (0, 1),
    **dict.fromkeys(("max_seconds", "epochs", "batch_size", "learning_rate", "patience"), (1e-9, LARGEST)),
    **dict.fromkeys(("weight_decay", "gamma", "seed", "workers", "steps", "adapter_rank"), (0, LARGEST)),
}
# What says where and how fast, not what: two runs that differ in these alone are the same experiment.
CIRCUMSTANCES = ("roots", "target", "geometry", "broken", "workers", "report_to")
PRODUCTION, DIMENSIONAL = "production", "dimensional"  # sections of a profile: what differs for other splits, that task


@dataclass(frozen=True)
class Experiment:
    """All that defines a run. The defaults are the paper's, whose sections stand in brackets."""

    profile: str = "paper"  # name of the profile the settings come from
    task: str = "categorical"  # predicts emotions; "dimensional" the ratings of valence, activation, dominance [VI]
    # "loso" holds a session out [III-A]; "random" keeps utterances of the training corpora back, the paper's production
    # model [V-A]; "disjoint" keeps whole speakers back.
    split: str = "loso"
    primary: str = "iemocap"  # corpus that is split by sessions and tested on [III-A]
    permanent: str = "cremad"  # corpus that is added to every training set, "" for none [III-A]
    target: str = "ravdess"  # unseen corpus that the production model is tested on [V-B]
    roots: dict = field(default_factory=dict, hash=False)  # folder of a corpus by its name; others are searched for
    synthetic: bool = False  # every corpus is its synthetic stand-in, written at first use
    calm: str = "neutral"  # RAVDESS calm is merged into neutral (the paper's 864 utterances); "exclude" leaves it out
    drop_suspicious: bool = False  # leave out silent utterances and identical audio with two labels
    broken: str = "report"  # an unreadable file is named, counted and left out; "stop" ends the run
    fold: int = 1  # 1 to 5, the session held out for testing [III-A]; means nothing to the production model
    geometry: str = "distilhubert-scratch"  # backbone whose size and speed the benchmark measures, whatever its weights
    backbone: str = "ntu-spml/distilhubert"  # Hugging Face name or folder, or one of `build_classifier`'s own [III-C]
    max_seconds: float = 8.0  # longest input in seconds; the rest is cut [III-B]
    length: str = "fixed"  # pads batches to max_seconds; "longest" to their longest utterance, masked [III-B]
    # Of training utterances: "paper" is the paper's [III-B], "views" of `sercore.data.views` destroy the sentence too.
    augmentation: str = "paper"
    epochs: int = 25  # most epochs [III-D]
    steps: int = 0  # most optimizer steps, so many whole epochs as they begin, instead of `epochs`; 0 for `epochs`
    batch_size: int = 16  # utterances per step [III-D]
    learning_rate: float = 5e-5  # peak of the cosine schedule [III-D]
    warmup_ratio: float = 0.1  # share of all steps that warm up linearly [III-D]
    weight_decay: float = 0.01  # of AdamW [III-D]
    patience: int = 6  # epochs without a better validation UA, or CCC, before stopping [III-D]
    adapter_rank: int = 0  # of low-rank adapters on a pretrained backbone's layers, trained instead of them; 0 for none
    interpolation: float = 1.0  # share of the way from the pretrained weights to the fine-tuned ones that is kept
    head: str = "trained"  # "regression" refits the last layer by logistic regression on the embeddings
    bfloat16: bool = False  # mixed precision on processors too (a GPU that can always does)
    gamma: float = 2.0  # focusing exponent of the loss [III-D]
    label_smoothing: float = 0.1  # share of the target spread evenly over the classes [III-D]
    seed: int = 0  # of everything random
    workers: int = 0  # processes that prepare batches; 0 prepares them in the training process
    report_to: str = "none"  # where training can be watched: "tensorboard" (files in the run's folder) or "wandb"
    variant: str = ""  # settings that differ from the profile's, as the run's name shows them

    def __post_init__(self):
        for setting in fields(self):
            typed = _typed(setting.name, setting.type, getattr(self, setting.name))
            object.__setattr__(self, setting.name, typed)
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is {getattr(self, name)!r}; choose one of {', '.join(map(repr, choices))}.")
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie in {low:g}..{high:g}.")
        if empty := [name for name in ("primary", "target", "geometry", "backbone") if not getattr(self, name)]:
            raise ValueError(f"{empty[0]} is empty; only permanent may be.")
        if self.interpolation < 1 and (self.backbone in ("small", "tiny") or self.backbone.endswith("-scratch")):
            raise ValueError(f"interpolation is {self.interpolation}; {self.backbone} is not pretrained: set 1.")
        if self.task == DIMENSIONAL and self.head != "trained":
            raise ValueError(f"head is {self.head!r}; task {DIMENSIONAL!r} needs head 'trained'.")
        if self.permanent == self.primary:
            raise ValueError(f"permanent and primary are both {self.primary!r}; name another permanent corpus, or ''.")

    @classmethod
    def from_profile(cls, profile: str, **settings) -> "Experiment":
        """The experiment of a profile (its name, or a YAML file) with some settings changed, which its name then shows.

        A section "production" of it counts only for the splits of the production model, "dimensional" for that task.

        Raises:
            FileNotFoundError: no such profile.
            ValueError: an unknown setting (the nearest valid name is given) or a bad value.
        """
        file = _profile_file(_typed("profile", str, profile))
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        production, dimensional = content.pop(PRODUCTION, {}), content.pop(DIMENSIONAL, {})
        given = _known(settings, "settings")
        if given.get("permanent", "") is None:  # an empty value of YAML
            given["permanent"] = ""
        if given.get("split", "loso") != "loso":
            content |= production
        if given.get("task", content.get("task")) == DIMENSIONAL:
            content |= dimensional
        base = cls(**_known(content, file.name) | {"profile": file.stem})
        experiment = replace(base, **given | {"profile": file.stem})
        return replace(experiment, variant=_variant(base, experiment))

    @classmethod
    def from_file(cls, file: Path) -> "Experiment":
        """Reads the experiment.json of a run; a setting that this version does not know is a ValueError."""
        return cls(**_known(json.loads(Path(file).read_text(encoding="utf-8")), str(file)))

    @property
    def arm(self) -> str:
        """`ravdess` or `ravdess+cremad`: the primary corpus alone or with the permanent one."""
        return "+".join(self.corpora)

    @property
    def corpora(self) -> tuple[str, ...]:
        """The corpora it trains on, primary first."""
        return tuple(filter(None, (self.primary, self.permanent)))

    @property
    def part(self) -> str:
        """Which of an arm's models it is: `fold1`, `production-random`."""
        return f"fold{self.fold}" if self.split == "loso" else f"production-{self.split}"

    @property
    def name(self) -> str:
        """Name of the run: arm, fold (or the production model's split) and what differs from the profile."""
        return "-".join(filter(None, (self.arm, self.part, self.variant)))

    def root(self, corpus: str) -> str:
        """Where a corpus lies, as `load_corpus` takes it: its folder in `roots`, "synthetic", or "" to search."""
        return self.roots.get(corpus) or ("synthetic" if self.synthetic else "")

    def identity(self) -> dict:
        """The settings that make two runs the same experiment."""
        return {name: value for name, value in asdict(self).items() if name not in CIRCUMSTANCES}


def _profile_file(profile: str) -> Path:
    folder = paths.profiles_root()
    file = Path(profile) if profile.endswith((".yaml", ".yml")) else folder / f"{profile}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        raise FileNotFoundError(f"profile {profile!r}: no file {file}; the profiles are {known}, or name a YAML file.")
    return file


def _typed(name: str, kind: type, value):
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ValueError(f"{name} is {value!r}; it must be of type {kind.__name__}.")
    if kind is dict:
        return {key: _typed(f"{name}[{key!r}]", str, one) for key, one in value.items()}
    return value


def _known(settings: dict, source: str) -> dict:
    names = [setting.name for setting in fields(Experiment)]
    for name in settings:
        if name not in names:
            near = get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(names)}."
            raise ValueError(f"{source}: unknown setting {name!r}; {hint}")
    return settings


def _variant(base: Experiment, changed: Experiment) -> str:
    elsewhere = ("profile", "split", "primary", "permanent", "fold", "variant", *CIRCUMSTANCES)
    changes = {name: value for name, value in asdict(changed).items() if value != getattr(base, name)}
    text = "-".join(f"{name}={value}" for name, value in changes.items() if name not in elsewhere)
    text = re.sub(r"[^\w=.+-]+", "_", text)
    return text if len(text) <= 80 else hashlib.sha1(text.encode()).hexdigest()[:12]
