"""From a model to one ONNX file that takes audio as it was recorded: the preprocessing is part of the graph."""

import io
import json
import tempfile
from pathlib import Path

import onnx
import onnxruntime
import torch
from onnx import ModelProto
from torch import nn
from transformers import PreTrainedModel

from sercore import __version__
from sercore.data.audio import MAX_SECONDS, PEAK, PRE_EMPHASIS, SAMPLE_RATE, SILENCE_PEAK, TRIM_TOP_DB
from sercore.deployment.card import LICENSES
from sercore.deployment.graph import Graph
from sercore.evaluation.tables import origin
from sercore.training import Run
from sercore.training.model import load_classifier
from sercore.training.runs import code_fingerprint

OPSET, IR = 17, 8  # the oldest opset with layer normalization as one operator, and the oldest IR that has it
PREPROCESSING = (
    f"trim at {TRIM_TOP_DB:g} dB below the loudest frame, pre-emphasis {PRE_EMPHASIS:g}, peak to {PEAK:g} unless the "
    f"recorded peak is below {SILENCE_PEAK:g}, cut to max_seconds, "
)
LENGTHS = {"longest": "mask behind the end of each row", "fixed": "zeros up to max_seconds"}


def export_onnx(
    source: Run | PreTrainedModel, file: str | Path, length: str | None = None, max_seconds: float | None = None
) -> Path:
    """Writes a classifier and its preprocessing as one ONNX file, whole or not at all.

    The graph takes `waveform` (batch, samples), float32 at 16 kHz as recorded, and gives `logits` and `probabilities`
    (batch, 4). One waveform is heard exactly as in training. Shorter rows of a batch are filled up with zeros; each
    ends with its last sample that is not zero, and gives what it gives alone.

    Args:
        source: a finished run, or a classifier of the HuBERT family, which stays as it is.
        file: to write; its folder is made.
        length: "longest" or "fixed", as for `sercore.data.Collator`; None for the run's, else "longest".
        max_seconds: what is longer after trimming is cut; None for the run's, else 8.

    Returns:
        The file.

    Raises:
        ValueError: an unknown length, one that the run was not trained with, or a model of another kind.
        OSError: the file cannot be written.
    """
    run = source if isinstance(source, Run) else None
    model = load_classifier(run.path / "model") if run else source
    length, max_seconds = _length(run, length, max_seconds)
    if not hasattr(model.config, "conv_kernel"):
        raise ValueError(f"{type(model).__name__} has no convolutional feature encoder; export a HuBERT.")
    metadata = {
        "labels": [model.config.id2label[number] for number in range(model.config.num_labels)],
        "sample_rate": SAMPLE_RATE,
        "length": length,
        "max_seconds": max_seconds,
        "preprocessing": PREPROCESSING + LENGTHS[length],
        "scheme": "fp32",
        "parameters": model.num_parameters(),
        "sercore": __version__,
    } | (_facts(run) if run else _no_facts(model))
    return _write(_simplified(_traced(Graph(model, length, max_seconds))), metadata, Path(file))


def _length(run: Run | None, length: str | None, max_seconds: float | None) -> tuple[str, float]:
    """Length policy and longest input. Those of a run stay: its scores hold for no others."""
    usual = (run.experiment.length, run.experiment.max_seconds) if run else ("longest", MAX_SECONDS)
    asked = (length or usual[0], max_seconds or usual[1])
    if asked[0] not in LENGTHS:
        raise ValueError(f"length is {length!r}; choose one of {', '.join(map(repr, LENGTHS))}.")
    if run and asked != usual:
        raise ValueError(f"{run.path} was trained with length {usual[0]!r}, {usual[1]:g} s; leave both out.")
    return asked


def _facts(run: Run) -> dict:
    """What a client should know about where a model comes from."""
    experiment, test = run.experiment, run.metrics["test"]
    return {
        "backbone": Path(experiment.backbone).name if Path(experiment.backbone).is_dir() else experiment.backbone,
        "corpora": experiment.corpora,
        "synthetic": origin(experiment) == "synthetic",
        "license": "\n".join(LICENSES[corpus] for corpus in experiment.corpora),
        "scores": {name: round(test[name], 4) for name in ("WA", "UA", "macro_f1")}
        | {"on": f"{len(run.predictions)} held-out utterances of {experiment.name}"},
        "code": run.environment["code"],
    }


def _no_facts(model: PreTrainedModel) -> dict:
    nothing = {"corpora": [], "synthetic": False, "license": "", "scores": {}}
    return nothing | {"backbone": model.config.model_type, "code": code_fingerprint()}


def _traced(graph: nn.Module) -> ModelProto:
    # Both exporters of torch 2.13 give the same numbers. This one follows a width that depends on the audio without
    # being told so, stays at opset 17, names operators by their layer (which quantization goes by) and takes 2 s; the
    # newer (dynamo=True) takes 25 s, cannot go below opset 18, and writes this machine's paths into every operator.
    stream, rows = io.BytesIO(), {0: "batch"}
    with torch.no_grad():
        torch.onnx.export(
            graph.eval(),
            (torch.zeros(2, 2 * SAMPLE_RATE),),
            stream,
            dynamo=False,
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
            opset_version=OPSET,
            input_names=["waveform"],
            output_names=["logits", "probabilities"],
            dynamic_axes={"waveform": rows | {1: "samples"}, "logits": rows, "probabilities": rows},
        )
    return onnx.load_from_string(stream.getvalue())


def _simplified(proto: ModelProto) -> ModelProto:
    """Constants folded and doubles removed by ONNX Runtime at its basic level, which keeps to standard operators."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = f"{folder}/basic.onnx"
        onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def _write(proto: ModelProto, metadata: dict, file: Path) -> Path:
    """Stamps, checks and writes beside the file, then renames."""
    opset = onnx.helper.make_opsetid("", OPSET)  # ONNX Runtime stamps the domains of all its operators, used or not
    proto = onnx.helper.make_model(proto.graph, ir_version=IR, opset_imports=[opset], producer_name="sercore")
    onnx.helper.set_model_props(proto, {name: _text(value) for name, value in metadata.items()})
    onnx.checker.check_model(proto, full_check=True)
    part = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(proto, part)
        part.replace(file)
    except OSError as error:
        raise OSError(f"cannot write {file}: {error}; free space or name another file.") from None
    finally:
        part.unlink(missing_ok=True)
    return file


def _text(value) -> str:
    return value if isinstance(value, str) else json.dumps(value)
