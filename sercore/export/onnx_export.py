"""From a model to one ONNX file that takes audio as it was recorded: the preprocessing is part of the graph."""

import json
import tempfile
import warnings
from pathlib import Path

import onnx
import torch
from onnx import ModelProto
from onnxruntime.tools.onnx_model_utils import optimize_model
from transformers import PreTrainedModel

from sercore import __version__
from sercore.audio_files import SAMPLE_RATE
from sercore.data import CORPORA
from sercore.data.preprocessing import MAX_SECONDS, PEAK, PRE_EMPHASIS, SILENCE_PEAK, TRIM_TOP_DB
from sercore.export.waveform_model import Graph
from sercore.paths import whole_file
from sercore.training import Run, code_fingerprint, load_classifier
from sercore.training.log_mel_classifier import LogMelClassifier
from sercore.training.runs import explain_full_disk

OPSET, IR = 17, 8  # the oldest opset with layer normalization as one operator, and the oldest IR that has it
PREPROCESSING = (
    f"trim at {TRIM_TOP_DB:g} dB below the loudest frame, pre-emphasis {PRE_EMPHASIS:g}, peak to {PEAK:g} unless the "
    f"recorded peak is below {SILENCE_PEAK:g}, cut to max_seconds, "
)
LENGTHS = {"longest": "mask behind the end of each row", "fixed": "zeros up to max_seconds"}
NO_ORIGIN = {"corpora": [], "synthetic": False, "license": "", "scores": {}}  # of a model without a run


def export_onnx(
    source: Run | PreTrainedModel, file: str | Path, length: str | None = None, max_seconds: float | None = None
) -> Path:
    """Writes a classifier and its preprocessing as one ONNX file, whole or not at all, and returns the file.

    The graph takes `waveform` (batch, samples), float32 at 16 kHz as recorded, and gives `logits` and `probabilities`
    (batch, labels), as in training. Shorter rows are filled up with zeros; each gives what it gives alone.

    Args:
        source: a finished run, or a HuBERT or `LogMelClassifier`, left unchanged.
        file: to write; its folder is made.
        length: "longest" or "fixed", as for `sercore.data.Collator`; None for the run's, else "longest".
        max_seconds: what is longer after trimming is cut; None for the run's, else 8.

    Raises:
        FileNotFoundError: the run has no weights.
        ValueError: a length that is unknown or not the run's, a model of another kind, or a run of dimensions.
    """
    run = source if isinstance(source, Run) else None
    length, max_seconds = _length(run, length, max_seconds)
    if run and run.experiment.task != "categorical":
        raise ValueError(f"{run.path} predicts dimensions; a file gives probabilities of emotions: export another run.")
    if run and not (run.path / "model").is_dir():
        raise FileNotFoundError(f"{run.path / 'model'}: no such folder, the run has no weights; train it again.")
    model = load_classifier(run.path / "model") if run else source
    if not (hasattr(model.config, "conv_kernel") or isinstance(model, LogMelClassifier)):
        raise ValueError(f"{type(model).__name__} has no feature encoder; export a HuBERT or a LogMelClassifier.")
    metadata = {
        "labels": [model.config.id2label[number] for number in range(model.config.num_labels)],
        "sample_rate": SAMPLE_RATE,
        "length": length,
        "max_seconds": max_seconds,
        "preprocessing": PREPROCESSING + LENGTHS[length],
        "scheme": "fp32",
        "parameters": model.num_parameters(),
        "sercore": __version__,
    } | (_origin(run) if run else NO_ORIGIN | {"backbone": model.config.model_type, "code": code_fingerprint()})
    if notice := getattr(model.config, "notice", ""):
        metadata["notice"] = notice
    opset = onnx.helper.make_opsetid("", OPSET)  # ONNX Runtime stamps the domains of all its operators, used or not
    graph = _traced(Graph(model, length, max_seconds)).graph
    proto = onnx.helper.make_model(graph, ir_version=IR, opset_imports=[opset], producer_name="sercore")
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in metadata.items()}
    onnx.helper.set_model_props(proto, texts)
    onnx.checker.check_model(proto, full_check=True)
    with whole_file(file) as part:
        onnx.save(proto, part)
    return Path(file)


def _length(run: Run | None, length: str | None, max_seconds: float | None) -> tuple[str, float]:
    """Length policy and longest input. Those of a run stay: its scores hold for no others."""
    usual = (run.experiment.length, run.experiment.max_seconds) if run else ("longest", MAX_SECONDS)
    chosen = (length or usual[0], max_seconds or usual[1])
    if chosen[0] not in LENGTHS:
        raise ValueError(f"length is {length!r}; choose one of {', '.join(map(repr, LENGTHS))}.")
    if run and chosen != usual:
        raise ValueError(f"{run.path} was trained with length {usual[0]!r}, {usual[1]:g} s; leave both out.")
    return chosen


def _origin(run: Run) -> dict:
    """What a client should know about where a model comes from."""
    experiment, backbone = run.experiment, run.experiment.backbone
    scores = {name: round(run.metrics["test"][name], 4) for name in ("WA", "UA", "macro_f1")}
    return {
        "backbone": Path(backbone).name if Path(backbone).is_dir() else backbone,
        "corpora": experiment.corpora,
        "synthetic": experiment.synthetic,
        "license": "\n".join(CORPORA[corpus].license for corpus in experiment.corpora),
        "scores": scores | {"on": f"{len(run.predictions)} held-out utterances of {experiment.name}"},
        "code": run.environment["code"],
    }


@torch.no_grad()
def _traced(graph: Graph) -> ModelProto:
    """Traced by PyTorch, then folded by ONNX Runtime at its basic level, which keeps to standard operators."""
    # Both exporters of torch 2.13 give the same numbers. This one follows a width that depends on the audio without
    # hints, stays at opset 17, names operators by their layer (which quantization goes by) and takes 2 s; the newer
    # (dynamo=True) takes 25 s, cannot go below opset 18, and writes this machine's paths into every operator.
    rows, names, waveform = {0: "batch"}, ["logits", "probabilities"], torch.zeros(2, 2 * SAMPLE_RATE)
    axes = {"waveform": rows | {1: "samples"}} | dict.fromkeys(names, rows)
    settings = {"opset_version": OPSET, "dynamic_axes": axes, "input_names": ["waveform"], "output_names": names}
    kept = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
    full = explain_full_disk("the traced model")
    with full, tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
        traced, folded = Path(folder, "traced.onnx"), Path(folder, "folded.onnx")
        torch.onnx.export(graph.eval(), (waveform,), traced, dynamo=False, **settings, **kept)
        optimize_model(traced, folded)
        return onnx.load(folded)
