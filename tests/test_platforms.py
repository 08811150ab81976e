"""Kaggle and Colab: the setup cell where sercore is missing, kernels on a stand-in for Kaggle, a lost machine."""

import glob
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import yaml

from sercore.experiment import Experiment
from sercore.paths import PROJECT
from sercore.training import read_run, train

TRAIN_DEMO = PROJECT / "tests" / "training" / "train_demo.py"
SETTINGS = {"synthetic": False, "permanent": "", "epochs": 2}  # of a fold here: the corpora are those that are mounted
FOLD = Experiment.from_profile("demo", **SETTINGS, fold=3)
CLOSED = "http://127.0.0.1:9"  # the discard port, where nobody listens
SLUG = r"[A-Za-z0-9-]+"


def load_kaggle():
    """workflow/kaggle.py as a module."""
    spec = importlib.util.spec_from_file_location("kaggle_folders", PROJECT / "workflow" / "kaggle.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where a dataclass looks for its module
    spec.loader.exec_module(module)
    return module


kaggle = load_kaggle()
KERNELS = kaggle.list_kernels()


@pytest.fixture(scope="module")
def cell() -> str:
    pages = nbformat.read(PROJECT / "notebooks" / "corpora.ipynb", as_version=4)
    return next(cell.source for cell in pages.cells if "setup" in cell.metadata.get("tags", []))


def installed_by(cell: str) -> list[str]:
    """What the cell hands to pip; the notebook's `get_ipython` is the only thing that is not there."""
    commands = []
    shell = SimpleNamespace(run_line_magic=lambda magic, line: commands.append(f"{magic} {line}"))
    exec(compile(cell, "setup", "exec"), {"get_ipython": lambda: shell})
    return commands


@pytest.fixture
def missing(monkeypatch):
    """sercore is not installed, and nothing is attached."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(glob, "glob", lambda pattern, recursive: [])


def test_elsewhere_it_does_nothing(cell):
    assert installed_by(cell) == []


def test_the_wheel_of_an_attached_dataset_is_installed(cell, missing, monkeypatch):
    wheel = "/kaggle/input/datasets/owner/sercore/sercore-0.2.0-py3-none-any.whl"
    monkeypatch.setattr(glob, "glob", lambda pattern, recursive: [wheel])
    (command,) = installed_by(cell)
    assert f"'{wheel}[book]'" in command


def test_without_one_the_repository_is(cell, missing):
    address = yaml.safe_load((PROJECT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
    (command,) = installed_by(cell)
    assert f"'sercore[book] @ git+{address or 'the-address-of-the-repository'}" in command


def test_torch_and_numpy_stay_as_they_are(cell, missing):
    (command,) = installed_by(cell)
    assert command.endswith(" ".join(f"{name}=={importlib.metadata.version(name)}" for name in ("torch", "numpy")))


def test_the_cell_is_five_lines_beside_its_comments(cell):
    assert len([line for line in cell.splitlines() if line and line[0] != "#"]) <= 5


# Folders for Kaggle


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    """What `make kaggle OWNER=me PROFILE=demo` writes."""
    folder = tmp_path_factory.mktemp("stamped") / "kaggle"
    kaggle.main(folder, "me", "demo", "", "")
    return folder


def read_metadata(folder: Path) -> dict:
    return json.loads((folder / "kernel-metadata.json").read_text(encoding="utf-8"))


def test_every_page_is_a_kernel_and_every_fold_two():
    pages = {path.stem for path in (PROJECT / "notebooks").glob("*.ipynb")}
    assert {kernel.page for kernel in KERNELS.values()} == pages and len(KERNELS) == len(pages) + 5


@pytest.mark.parametrize("name", KERNELS)
def test_kernel_metadata_is_valid(folders, name):
    """What `kaggle kernels push` (kaggle 2.2.5) checks before it sends anything; the slug is the title's."""
    metadata = read_metadata(folders / name)
    owner, slug = metadata["id"].split("/")
    assert owner == "me" and slug == re.sub(r"[^a-z0-9]+", "-", metadata["title"].lower())
    assert 5 <= len(metadata["title"]) <= 50
    assert (folders / name / metadata["code_file"]).is_file()
    assert (metadata["language"], metadata["kernel_type"]) == ("python", "notebook")
    assert all(re.fullmatch(f"{SLUG}/{SLUG}", source) for source in metadata["dataset_sources"])
    assert all(re.fullmatch(f"me/{SLUG}", source) for source in metadata["kernel_sources"])


def test_dataset_metadata_is_valid(folders):
    """What `kaggle datasets create` (2.2.5) checks: one license, name and title of 6 to 50 characters."""
    metadata = json.loads((folders / "sercore" / "dataset-metadata.json").read_text(encoding="utf-8"))
    assert metadata["id"] == "me/sercore" and 6 <= len(metadata["title"]) <= 50 and len(metadata["licenses"]) == 1
    assert [file.suffix for file in sorted((folders / "sercore").iterdir())] == [".json", ".whl"]


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_has_the_package_and_the_kernels_that_it_comes_after(folders, name):
    """The graph's own arrows, but for the page that leaves a cache alone."""
    metadata = read_metadata(folders / name)
    assert metadata["dataset_sources"] == ["me/sercore", *kaggle.CORPORA]
    assert metadata["kernel_sources"] == [f"me/sercore-{other}" for other in KERNELS[name].after]
    assert set(KERNELS[name].after) <= set(KERNELS)


def test_the_ablation_has_all_ten_folds_and_the_analyses_have_the_production_model():
    folds = {name for name in KERNELS if name.startswith("loso-fold")}
    assert len(folds) == 10 and folds == set(KERNELS["cremad-ablation"].after) <= set(KERNELS["baselines"].after)
    assert KERNELS["ravdess-analysis"].after == ("production-model",)


def test_kernels_are_pushed_after_those_that_they_read():
    waves = list(kaggle.order_kernels(KERNELS))
    place = {name: number for number, wave in enumerate(waves) for name in wave}
    assert set(place) == set(KERNELS)
    assert all(place[other] < place[name] for name, kernel in KERNELS.items() for other in kernel.after)


def test_profile_and_arm_are_stamped_and_nothing_else_changes(folders):
    plain = nbformat.read(PROJECT / "notebooks" / "loso_fold_3.ipynb", as_version=4)
    stamped = nbformat.read(folders / "loso-fold-3-alone" / "loso_fold_3.ipynb", as_version=4)
    nbformat.validate(stamped)
    changed = [new.source for old, new in zip(plain.cells, stamped.cells, strict=True) if old.source != new.source]
    assert changed[0] == kaggle.SETUP.rstrip()
    assert changed[1:] == [
        'profile = "demo"\nfold = 3\nsettings = {"permanent": ""}  # of the experiment, beside the profile\'s, such as '
        '{"epochs": 2}'
    ]


def test_iemocap_is_attached_where_it_is_named(tmp_path):
    kaggle.write_kernels(tmp_path, "me", "paper", [*kaggle.CORPORA, "me/iemocap"], "")
    assert "me/iemocap" in read_metadata(tmp_path / "loso-fold-3")["dataset_sources"]
    assert 'profile = "paper"' in (tmp_path / "loso-fold-3/loso_fold_3.ipynb").read_text().replace('\\"', '"')


def test_with_wheels_there_is_no_network(tmp_path):
    kaggle.write_kernels(tmp_path, "me", "open", kaggle.CORPORA, "me/wheels")
    metadata = read_metadata(tmp_path / "loss")
    assert metadata["enable_internet"] is False
    assert metadata["kernel_sources"] == ["me/sercore-production-model", "me/wheels"]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (("", "open", "", ""), r"OWNER is ''; name your Kaggle account: make kaggle OWNER=name\."),
        (("me/sercore", "open", "", ""), r"OWNER is 'me/sercore'; name your Kaggle account"),
        (("me", "paper", "", ""), r"profile paper needs IEMOCAP.*add IEMOCAP=owner/name\."),
        (("me", "paper", "iemocap", ""), r"IEMOCAP is 'iemocap'; name it as Kaggle does: IEMOCAP=owner/name\."),
        (("me", "opne", "", ""), r"profile 'opne'.*the profiles are demo, open, paper"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(tmp_path, given, line):
    command = [sys.executable, PROJECT / "workflow/kaggle.py", tmp_path / "kaggle"]
    for name, value in zip(("owner", "profile", "iemocap", "wheels"), given, strict=True):
        command.append(f"--{name}={value}")
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(PROJECT)}, capture_output=True, text=True)
    assert done.returncode == 1 and re.fullmatch(line + r"[^\n]*\n", done.stderr) and not (tmp_path / "kaggle").exists()


# A stand-in for Kaggle


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    """Python of an environment that has what this one has, without sercore."""
    place = tmp_path_factory.mktemp("image")
    venv.create(place, symlinks=True)
    packages = next(place.glob("lib/python*/site-packages"))
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "sercore" not in path.name and path.suffix != ".pth":
            (packages / path.name).symlink_to(path)
    return place / "bin" / "python"


@pytest.fixture(scope="module")
def mount(folders, synthetic, tmp_path_factory) -> Path:
    """Stands for /kaggle/input: the package and a corpus as Kaggle mounts them now, a corpus as it used to."""
    mount = tmp_path_factory.mktemp("kaggle") / "input"
    shutil.copytree(folders / "sercore", mount / "datasets/me/sercore")
    shutil.copytree(synthetic["iemocap"], mount / "datasets/me/iemocap/IEMOCAP_full_release")
    shutil.copytree(synthetic["cremad"], mount / "cremad")
    return mount


def run_kernel(image: Path, notebook: Path, mount: Path, working: Path) -> None:
    """Runs it as Kaggle does, in an empty folder, without a network."""
    working.mkdir()
    own = {name: value for name, value in os.environ.items() if not name.startswith(("SERCORE_", "PYTHON", "HF_"))}
    own |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), CLOSED) | {"no_proxy": ""}
    own |= {"SERCORE_MOUNT": str(mount), "TMPDIR": str(working.parent), "HOME": str(working.parent)}
    own |= {"OMP_NUM_THREADS": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    command = [
        image,
        "-m",
        "papermill",
        notebook,
        working / "__notebook__.ipynb",
        "-y",
        json.dumps({"settings": SETTINGS}),
    ]
    before = list_files(mount)
    subprocess.run([*command, "--no-progress-bar"], cwd=working, env=own, check=True, capture_output=True)
    assert list_files(mount) == before, "it wrote to what is mounted"


def list_files(folder: Path) -> set[tuple]:
    return {(file, file.stat().st_mtime_ns, file.stat().st_size) for file in folder.rglob("*")}


@pytest.fixture(scope="module")
def working(image, folders, mount, tmp_path_factory) -> Path:
    """What a fold's kernel leaves, with corpora from the mounts: the demo's model at its own size, two epochs."""
    working = tmp_path_factory.mktemp("kernel") / "working"
    run_kernel(image, folders / "loso-fold-3-alone" / "loso_fold_3.ipynb", mount, working)
    return working


def test_a_fold_trains_on_kaggle(working):
    run = read_run(working / "runs" / "demo" / FOLD.name)
    assert len(run.history) == 2 and (run.path / "model" / "model.safetensors").is_file()
    assert run.predictions["speaker"].str.startswith("Ses03").all()
    assert Path(run.experiment.root("iemocap")) == Path()  # found, not named


def test_what_a_kernel_hands_on_is_small(working):
    """Neither preprocessed audio nor a synthetic corpus: the runs and the notebook."""
    assert {path.name for path in working.iterdir()} == {"runs", "__notebook__.ipynb"}
    assert not (working / "runs" / "cache").exists()


@pytest.fixture
def attach(tmp_path, monkeypatch):
    """Runs the setup cell of a kernel with these folders attached, in an empty folder; what it hands to pip."""
    for name in ("SERCORE_RECORDED", "SERCORE_CACHE", "SERCORE_TEACHER", "SERCORE_RUNS"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("SERCORE_MOUNT", str(tmp_path / "input"))
    (tmp_path / "working").mkdir()
    monkeypatch.chdir(tmp_path / "working")

    def attach(**attached: Path) -> str:
        for place, folder in attached.items():
            shutil.copytree(folder, tmp_path / "input" / place.replace("__", "/"))
        subprocess.run(["chmod", "-R", "a-w", tmp_path / "input"], check=True)
        (command,) = installed_by(kaggle.SETUP)
        return command

    yield attach
    subprocess.run(["chmod", "-R", "u+w", tmp_path / "input"], check=True)


@pytest.mark.parametrize("place", ["sercore-loso-fold-3-alone", "notebooks__me__sercore-loso-fold-3-alone"])
def test_runs_of_attached_kernels_are_read_not_repeated(working, folders, attach, place, monkeypatch):
    """As the ablation does with those of its folds; pages may write beside them, whatever the mount's modes."""
    attach(datasets__me__sercore=folders / "sercore", **{place: working})
    monkeypatch.setenv("SERCORE_RUNS", "runs")
    run = train(FOLD)
    assert run.path == Path("runs/demo") / FOLD.name and os.access(run.path / "model", os.W_OK)
    assert run.predictions.equals(read_run(working / run.path).predictions)
    modes = {path.stat().st_mode & 0o200 for path in Path("runs").rglob("*")}
    assert modes == {0o200}


def test_runs_of_several_kernels_come_together(tmp_path, folders, attach):
    for name in ("one", "other"):
        (tmp_path / name / "runs" / "open" / name).mkdir(parents=True)
    attach(sercore=folders / "sercore", notebooks__me__one=tmp_path / "one", other=tmp_path / "other")
    assert {path.name for path in Path("runs/open").iterdir()} == {"one", "other"}


def test_a_kernel_installs_the_attached_package_and_trains(folders, attach):
    command = attach(datasets__me__sercore=folders / "sercore")
    assert re.search(r"^pip install -q  '\S+/sercore-[\d.]+-py3-none-any\.whl\[book\]' torch==\S+ numpy==\S+$", command)
    assert os.environ["SERCORE_RECORDED"] == "no"


def test_attached_wheels_stand_in_for_the_network(tmp_path, folders, attach):
    (tmp_path / "wheels" / "whisper-base").mkdir(parents=True)
    (tmp_path / "wheels" / "opensmile-2.6.0-py3-none-any.whl").touch()
    command = attach(datasets__me__sercore=folders / "sercore", notebooks__me__wheels=tmp_path / "wheels")
    assert "--no-index --find-links" in command and "/notebooks/me/wheels'" in command
    assert Path(os.environ["SERCORE_TEACHER"]) == tmp_path / "input/notebooks/me/wheels/whisper-base"


def test_a_kernel_without_the_package_says_what_to_attach(tmp_path, attach):
    (tmp_path / "corpus").mkdir()
    with pytest.raises(
        FileNotFoundError, match=r"no sercore-\*\.whl under .*; attach the dataset that make kaggle wrote"
    ):
        attach(cremad=tmp_path / "corpus")


# Jupyter


def open_jupyter(place: Path, *commands: str) -> subprocess.CompletedProcess:
    """`make jupyter` with an environment of commands that print how they were called."""
    (place / "bin").mkdir()
    for name in ("python", *commands):
        (place / "bin" / name).write_text('#!/bin/sh\necho "$(basename $0) $*"\n')
        (place / "bin" / name).chmod(0o755)
    make = ["make", "-f", PROJECT / "Makefile", "-o", ".venv/ready", f"BIN={place}/bin", "jupyter"]
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(make, cwd=place, env=outside, capture_output=True, text=True)


def test_jupyter_opens_the_notebooks_with_the_environment_as_a_kernel(tmp_path):
    lines = open_jupyter(tmp_path, "jupyter-lab", "jupyter-notebook").stdout.splitlines()
    assert lines[0].startswith("python -m ipykernel install --user --name sercore")
    assert lines[1:] == ["jupyter-lab notebooks"]


def test_without_jupyterlab_one_line_says_what_to_install(tmp_path):
    done = open_jupyter(tmp_path)
    assert done.returncode and done.stdout.splitlines()[1:] == [
        f"There is no Jupyter in .venv: {tmp_path}/bin/pip install jupyterlab, and make jupyter again; or choose the "
        "kernel sercore in yours."
    ]


# A stand-in for Colab


def start_machine(place: Path, drive: Path) -> subprocess.Popen:
    """A fold on a machine of Colab with this Drive: nothing else of it lasts."""
    place.mkdir()
    own = {name: value for name, value in os.environ.items() if not name.startswith("SERCORE_")}
    own |= {"SERCORE_DRIVE": str(drive), "SERCORE_RECORDED": "no", "OMP_NUM_THREADS": "1", "HOME": str(place)}
    command = [sys.executable, TRAIN_DEMO, json.dumps({**SETTINGS, "epochs": 3, "fold": 3})]
    return subprocess.Popen(command, cwd=place, env=own, stdout=subprocess.PIPE, text=True)


def finish_machine(process: subprocess.Popen) -> int:
    """How many epochs it trained."""
    epochs = process.communicate()[0].count("· epoch ")
    assert process.returncode == 0
    return epochs


def test_a_lost_machine_of_colab_goes_on_from_drive_with_the_same_numbers(synthetic, tmp_path):
    """The corpus lies on Drive too. Beside an unbroken run, on another Drive."""
    for name in ("drive", "other drive"):
        shutil.copytree(synthetic["iemocap"], tmp_path / name / "corpora" / "iemocap")
    whole = start_machine(tmp_path / "machine", tmp_path / "other drive")
    lost = start_machine(tmp_path / "lost", tmp_path / "drive")
    epochs = (line for line in lost.stdout if "· epoch" in line)
    next(epochs), next(epochs)  # the first is through and kept, the second may not be
    lost.kill()
    lost.communicate()
    shutil.rmtree(tmp_path / "lost")
    assert finish_machine(start_machine(tmp_path / "fresh", tmp_path / "drive")) < 3, "it began from scratch"
    assert finish_machine(whole) == 3
    one, other = (next((tmp_path / name / "sercore/runs/demo").glob("*/")) for name in ("drive", "other drive"))
    for name in ("predictions.csv", "metrics.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    assert list((tmp_path / "fresh").iterdir()) == [], "something was kept on the machine"
