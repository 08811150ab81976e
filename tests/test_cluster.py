"""The graph on clusters: jobs of a real Slurm, one node on this machine; the plan for Kubernetes.

Slurm takes root and Debian's slurm-wlm and munge. Its plugin for Snakemake drops the caller's SLURM_CONF, so the
configuration lies where Slurm looks for it; one that another has written stays, and the tests are skipped.
"""

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml

from sercore.paths import PROJECT

CONFIGURATION = Path("/etc/slurm/slurm.conf")
MUNGE = Path("/run/munge")  # where its socket lies
OURS = "# Written by a test of sercore, which removes it.\n"
SECONDS = 900  # most that the jobs may take, where the cores are busy otherwise
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile", "--profile", "workflow/slurm"]
# A small machine without GPU and accounting; a node of one's own needs no pause between questions.
HERE = "--set-resources fold:gpu=0 page:gpu=0 --set-threads fold=1 page=2 --retries 0 --slurm-status-command squeue"
HERE += " --slurm-init-seconds-before-status-checks 2"
TABLE = ("job", "state", "cores", "time", "node", "what")


def configure(folder: Path) -> str:
    """A slurm.conf: controller and one node on this machine, more cores and memory than it has, no accounting."""
    name = socket.gethostname().split(".")[0]
    lines = {
        "ClusterName": "sercore",
        "SlurmctldHost": f"{name}(127.0.0.1)",
        "SlurmUser": "root",
        "SlurmdUser": "root",
        "StateSaveLocation": folder,
        "SlurmdSpoolDir": folder / "spool",
        **{f"{daemon}PidFile": folder / f"{daemon}.pid" for daemon in ("Slurmctld", "Slurmd")},
        **{f"{daemon}LogFile": folder / f"{daemon}.log" for daemon in ("Slurmctld", "Slurmd")},
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "SelectType": "select/cons_tres",
        "SlurmdParameters": "config_overrides",
        "JobCompType": "jobcomp/filetxt",
        "JobCompLoc": folder / "completed.txt",
        "NodeName": f"{name} NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000",
        "PartitionName": "main Nodes=ALL Default=YES",
    }
    return OURS + "".join(f"{key}={value}\n" for key, value in lines.items())


def require(*plugins: str) -> None:
    """Skips where a plugin of Snakemake is not installed."""
    for plugin in plugins:
        if not importlib.util.find_spec(plugin.replace("-", "_")):
            pytest.skip(f"takes {plugin}")


@contextmanager
def running(*command: str, **rest) -> Iterator[None]:
    """A daemon in the foreground, ended at the end."""
    daemon = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **rest)
    try:
        yield
    finally:
        daemon.terminate()
        daemon.wait(30)


def wait_for(*command: str) -> None:
    """Until a command succeeds, at most a minute; skips where the daemons do not start."""
    for _ in range(120):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0 and "down" not in done.stdout:
            return
        time.sleep(0.5)
    pytest.skip(f"no Slurm starts here: {command[0]}: {done.stdout}{done.stderr}")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory) -> Iterator[Path]:
    """A Slurm that runs; the folder of its state."""
    if os.getuid() or not all(map(shutil.which, ("slurmctld", "slurmd", "munged"))):
        pytest.skip("takes root and Debian's slurm-wlm and munge")
    require("snakemake-executor-plugin-slurm")
    if CONFIGURATION.exists() and not CONFIGURATION.read_text().startswith(OURS):
        pytest.skip(f"{CONFIGURATION} belongs to another Slurm")
    folder = tmp_path_factory.mktemp("slurm")
    CONFIGURATION.write_text(configure(folder))
    with ExitStack() as daemons:
        daemons.callback(CONFIGURATION.unlink)
        if subprocess.run(["munge", "--no-input"], capture_output=True).returncode:  # no daemon yet
            MUNGE.mkdir(exist_ok=True)
            shutil.chown(MUNGE, "munge", "munge")
            daemons.enter_context(running("munged", "--foreground", user="munge", group="munge", extra_groups=[]))
            wait_for("munge", "--no-input")
        daemons.enter_context(running("slurmctld", "-D"))
        daemons.enter_context(running("slurmd", "-D"))
        wait_for("sinfo", "--noheader", "--format=%T")
        yield folder


@pytest.fixture(scope="module")
def runs(slurm, tmp_path_factory) -> dict:
    """Two profiles of this clone at once: a fold and a page of the demo; a page whose corpus is missing.

    What each printed, by profile, and the jobs as Slurm lists them, by rule.
    """
    root = tmp_path_factory.mktemp("runs")
    demo = yaml.safe_load((PROJECT / "workflow/profiles/demo.yaml").read_text())
    astray = root / "astray.yaml"
    astray.write_text(yaml.safe_dump(demo | {"roots": {"iemocap": "/nowhere"}}))
    environment = os.environ | {"SERCORE_RUNS": str(root), "SERCORE_RECORDED": "no"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    notebooks = root / "demo/notebooks"
    notebooks.mkdir(parents=True)
    (notebooks / "corpora.ipynb").touch()  # for which the fold would wait
    wanted = {"demo": ("demo", "comparison", "iemocap/loso_fold_1"), "astray": (astray, "corpora")}
    called = {}
    for name, (profile, *pages) in wanted.items():
        targets = [os.path.relpath(root / name / f"notebooks/{page}.ipynb", PROJECT) for page in pages]
        command = [*SNAKEMAKE, *HERE.split(), "--config", f"profile={profile}", "--", *targets]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        called[name] = subprocess.Popen(command, cwd=PROJECT, env=environment, **pipes)
    try:
        printed = {name: call.communicate(timeout=SECONDS)[0] for name, call in called.items()}
    finally:
        for call in called.values():
            call.kill()
    listed = subprocess.check_output(["squeue", "--states=all", "--noheader", "--format=%i|%T|%C|%M|%N|%k"], text=True)
    rows = [line.split("|") for line in listed.splitlines()]
    print(*("{:>4} {:10} {:>5} {:>8} {:10} {}".format(*row) for row in [TABLE, *rows]), sep="\n")
    return {"root": root, "printed": printed, "jobs": [dict(zip(TABLE, row, strict=True)) for row in rows]}


def test_a_page_and_a_fold_run_as_jobs_of_slurm(runs, slurm):
    """As Slurm says it, in its queue and in its file of completed jobs."""
    done = {job["what"]: job["job"] for job in runs["jobs"] if job["state"] == "COMPLETED"}
    assert set(done) == {"rule_page_wildcards_comparison", "rule_fold_wildcards_iemocap_1"}, runs["printed"]["demo"]
    assert (runs["root"] / "demo/notebooks/iemocap/loso_fold_1.ipynb").is_file()
    assert (runs["root"] / "demo/iemocap-fold1/metrics.json").is_file()
    completed = (slurm / "completed.txt").read_text().splitlines()
    for number in done.values():
        (line,) = (line for line in completed if line.startswith(f"JobId={number} "))
        assert "JobState=COMPLETED" in line and "ExitCode=0:0" in line


def test_what_stopped_a_job_is_printed_where_it_was_sent_from(runs):
    """A profile that is named by its file, whose corpus lies nowhere; its runs stand beside the demo's."""
    (job,) = (job for job in runs["jobs"] if job["state"] == "FAILED")
    assert job["what"] == "rule_page_wildcards_corpora"
    line = "corpora: FileNotFoundError: iemocap: the setting roots['iemocap'] names /nowhere, which is not a folder"
    assert f"What stopped it:\n{line}" in runs["printed"]["astray"]
    assert not (runs["root"] / "astray/notebooks/corpora.ipynb").exists()


def test_kubernetes_gets_the_same_graph(tmp_path):
    """A plan: on the volume, here the checkout, every page and fold of a profile that has no runs yet."""
    require("snakemake-executor-plugin-kubernetes", "snakemake-storage-plugin-fs")
    shutil.copy(PROJECT / "workflow/profiles/demo.yaml", tmp_path / "planned.yaml")
    command = [*SNAKEMAKE[:-1], "workflow/kubernetes", "--dry-run", "--default-storage-prefix", str(PROJECT)]
    command += ["--config", f"profile={tmp_path / 'planned.yaml'}"]
    plan = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert plan.returncode == 0, plan.stderr
    counts = dict(re.findall(r"^(fold|page|book) +(\d+)$", plan.stdout, re.MULTILINE))
    assert counts == {"fold": "10", "page": "21", "book": "1"}
    assert f"output: {PROJECT}/runs/planned/notebooks/iemocap/loso_fold_1.ipynb (send to storage)" in plan.stdout
    assert plan.stdout.count("gpu_manufacturer=nvidia, gpu=1") == 11  # the folds and the production model
