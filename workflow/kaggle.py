"""Writes folders for Kaggle: the package as a dataset, and a kernel for each page (`make kaggle OWNER=name`).

What is pushed to Kaggle runs there at once and without parameters, so each notebook is stamped: with its profile, and
with a setup cell that installs the attached package, fetches the runs of the kernels that it comes after, and trains
what is not among them. The graph is the Snakefile's.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from ast import literal_eval
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat

from sercore.experiment import FOLDS, Experiment
from sercore.paths import PROJECT, write_json

SETUP = """\
# On Kaggle: the attached package, and the runs of attached kernels; what is not among them is trained here.
# fmt: off
import glob, importlib.metadata, os, subprocess, tempfile
mount = os.environ.get("SERCORE_MOUNT", "/kaggle/input")  # data are at mount/<name>, or at mount/<kind>/<owner>/<name>
attached = [*glob.glob(f"{mount}/*/"), *glob.glob(f"{mount}/*/*/*/")]
os.environ.update(SERCORE_RECORDED="no", SERCORE_CACHE=tempfile.gettempdir() + "/sercore-cache")
for runs in (f"{folder}runs" for folder in attached if os.path.isdir(f"{folder}runs")):
    subprocess.run(["cp", "-r", "--no-preserve=mode", runs, "."], check=True)
for teacher in (f"{folder}whisper-base" for folder in attached if os.path.isdir(f"{folder}whisper-base")):
    os.environ["SERCORE_TEACHER"] = teacher
wheels = [wheel for folder in attached for wheel in glob.glob(f"{folder}*.whl")]
own = [wheel for wheel in wheels if "/sercore-" in wheel]
if not own:
    raise FileNotFoundError(f"no sercore-*.whl under {mount}; attach the dataset that make kaggle wrote.")
links = " ".join(sorted({f"--find-links '{os.path.dirname(wheel)}'" for wheel in wheels}))
source = f"--no-index {links}" if len(wheels) > len(own) else ""  # the wheels that its image lacks, where attached
pins = " ".join(f"{name}=={importlib.metadata.version(name)}" for name in ("torch", "numpy"))
get_ipython().run_line_magic("pip", f"install -q {source} '{own[0]}[book]' {pins}")
# fmt: on
"""
PACKAGE = ("pyproject.toml", "README.md", "LICENSE", "LICENSE-prose.md", "sercore", "workflow/profiles", "results")
CORPORA = ["ejlok1/cremad", "uwrfkaggler/ravdess-emotional-speech-audio"]  # IEMOCAP is licensed: attach your own copy
NAME = "[A-Za-z0-9][A-Za-z0-9-]*"
GPU = "NvidiaTeslaT4"  # the torch of Kaggle's image has no code for its other GPU, the P100
CACHING = "corpora"  # a page that leaves nothing but a cache, which no kernel hands on
LIGHT = ("corpora", "comparison", "protocol", "augmentation")  # pages without a model: a GPU's hours are counted there


@dataclass(frozen=True)
class Kernel:
    """A page that runs on Kaggle."""

    page: str  # the notebook
    settings: dict  # beside the profile's
    after: tuple[str, ...]  # names of the kernels whose runs it reads


def list_kernels() -> dict[str, Kernel]:
    """Every page by its kernel's name, and each fold a second time with the primary corpus alone."""
    snakefile = (PROJECT / "workflow" / "Snakefile").read_text(encoding="utf-8")
    pages = literal_eval(re.search(r"^AFTER = (\{.*?^\})", snakefile, re.DOTALL | re.MULTILINE)[1])
    after_folds = literal_eval(re.search(r"FOLD_PAGES if wildcards\.page in (\(.*?\))", snakefile)[1])
    folds = {
        f"loso-fold-{fold}{ending}": Kernel(f"loso_fold_{fold}", settings, ())
        for ending, settings in (("", {}), ("-alone", {"permanent": ""}))
        for fold in FOLDS
    }
    named = {}
    for page, before in pages.items():
        after = [name.replace("_", "-") for name in before if name != CACHING]
        named[page.replace("_", "-")] = Kernel(page, {}, (*after, *(folds if page in after_folds else ())))
    return folds | named


def order_kernels(kernels: dict[str, Kernel]) -> Iterator[list[str]]:
    """Names of those that may run at once, then of those that come after them, and so on."""
    done: set[str] = set()
    while ready := [name for name in kernels if name not in done and done.issuperset(kernels[name].after)]:
        yield ready
        done.update(ready)


def stamp_notebook(kernel: Kernel, profile: str) -> str:
    """The notebook with Kaggle's setup cell, its profile and its settings."""
    pages = nbformat.read(PROJECT / "notebooks" / f"{kernel.page}.ipynb", as_version=4)
    stamps = {
        'profile = "open"': f'profile = "{profile}"',
        "settings = {}": f"settings = {json.dumps(kernel.settings)}",
    }
    for cell in pages.cells:
        tags = cell.metadata.get("tags", [])
        cell.source = SETUP.rstrip() if "setup" in tags else cell.source
        for old, new in stamps.items() if "parameters" in tags else ():
            cell.source = cell.source.replace(old, new)
    return nbformat.writes(pages, version=4) + "\n"


def describe_kernel(name: str, kernel: Kernel, owner: str, datasets: list[str], wheels: str) -> dict:
    """What `kaggle kernels push` reads."""
    return {
        "id": f"{owner}/sercore-{name}",
        "title": f"sercore {name.replace('-', ' ')}",
        "code_file": f"{kernel.page}.ipynb",
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": kernel.page not in LIGHT,
        "machine_shape": None if kernel.page in LIGHT else GPU,
        "enable_internet": not wheels,
        "dataset_sources": [f"{owner}/sercore", *datasets],
        "competition_sources": [],
        "kernel_sources": [*(f"{owner}/sercore-{name}" for name in kernel.after), *filter(None, [wheels])],
        "model_sources": [],
    }


def write_dataset(folder: Path, owner: str) -> None:
    """The package, whose wheel holds the profiles and the recorded results too, ready for `kaggle datasets create`."""
    build_wheel(folder)
    terms = "Code MIT, results CC BY 4.0; models and tables under the terms of their corpora, as their cards say."
    licenses = [{"name": "other"}]
    write_json(
        folder / "dataset-metadata.json",
        {"id": f"{owner}/sercore", "title": "sercore, the package", "licenses": licenses, "description": terms},
    )


def build_wheel(folder: Path) -> None:
    """Builds the wheel from a copy: a build leaves files beside its sources.

    Raises:
        OSError: the build failed.
    """
    with TemporaryDirectory() as place:
        for name in PACKAGE:
            copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copyfile
            (Path(place) / name).parent.mkdir(exist_ok=True)
            copy(PROJECT / name, Path(place) / name)
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, place]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"the wheel cannot be built: {(done.stderr or done.stdout).strip().splitlines()[-1]}")


def write_kernels(folder: Path, owner: str, profile: str, datasets: list[str], wheels: str) -> None:
    """A folder for each kernel, named like it."""
    for name, kernel in list_kernels().items():
        write_json(folder / name / "kernel-metadata.json", describe_kernel(name, kernel, owner, datasets, wheels))
        notebook = folder / name / f"{kernel.page}.ipynb"
        notebook.write_text(stamp_notebook(kernel, profile), encoding="utf-8")


def check(owner: str, profile: str, iemocap: str, wheels: str) -> None:
    """Refuses what Kaggle would refuse, or would fail on hours later.

    Raises:
        FileNotFoundError: no such profile.
        ValueError: a name that is missing or malformed.
    """
    if not re.fullmatch(NAME, owner):
        raise ValueError(f"OWNER is {owner!r}; name your Kaggle account: make kaggle OWNER=name.")
    for variable, slug in {"IEMOCAP": iemocap, "WHEELS": wheels}.items():
        if slug and not re.fullmatch(f"{NAME}/{NAME}", slug):
            raise ValueError(f"{variable} is {slug!r}; name it as Kaggle does: {variable}=owner/name.")
    experiment = Experiment.from_profile(profile)
    if "iemocap" in experiment.corpora and not experiment.synthetic and not iemocap:
        raise ValueError(
            f"profile {profile} needs IEMOCAP, which nobody may pass on: upload your copy as a private dataset, and "
            "add IEMOCAP=owner/name."
        )


def main(folder: Path, owner: str, profile: str, iemocap: str, wheels: str) -> None:
    """Writes the folder anew, and says how to push what is in it."""
    check(owner, profile, iemocap, wheels)
    shutil.rmtree(folder, ignore_errors=True)
    write_dataset(folder / "sercore", owner)
    write_kernels(folder, owner, profile, [*CORPORA, *filter(None, [iemocap])], wheels)
    print(f"The package, once: kaggle datasets create -p {folder}/sercore")
    print(
        f"Then the kernels:  kaggle kernels push -p {folder}/NAME   (profile {profile}; a line once those above it ran)"
    )
    for number, names in enumerate(order_kernels(list_kernels()), start=1):
        print(f"  {number}. {' '.join(names)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    for name in ("owner", "profile", "iemocap", "wheels"):
        parser.add_argument(f"--{name}", default="")
    try:
        main(**vars(parser.parse_args()))
    except (OSError, ValueError) as error:
        sys.exit(str(error))
