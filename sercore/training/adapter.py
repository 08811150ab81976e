"""Low-rank adapters (Hu et al. 2022) on a classifier's layers: add, scale, save alone, load."""

import warnings
from pathlib import Path

from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from transformers import PreTrainedModel

SCALE = 2.0
HEADS = ("norm", "projector", "classifier")  # trained whole, and saved with the adapter
# The matrices of a layer, in the names of Whisper and of HuBERT.
MATRICES = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2", "intermediate_dense", "output_dense")


def add_adapter(model: PreTrainedModel, rank: int) -> PeftModel:
    """Freezes a classifier but for its head and puts an adapter, which changes nothing yet, on its layers' matrices."""
    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    heads = [name for name in HEADS if name in names]
    matrices = [name for name in MATRICES if name in names]
    settings = LoraConfig(r=rank, lora_alpha=SCALE * rank, target_modules=matrices, modules_to_save=heads)
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # peft asks transformers for an old name
        return get_peft_model(model, settings)


def save_adapter(model: PeftModel, folder: str | Path) -> None:
    """Writes adapter and head alone, in float16: a megabyte where the classifier has forty."""
    model.save_pretrained(str(folder), state_dict={name: value.half() for name, value in model.state_dict().items()})
    (Path(folder) / "README.md").unlink(missing_ok=True)  # peft's, with nothing filled in


def load_adapter(model: PreTrainedModel, folder: str | Path) -> PeftModel:
    """Puts a saved adapter and head on a classifier with the weights that they were trained on.

    Raises:
        FileNotFoundError: no adapter is there.
        ValueError: it was trained on a backbone of another shape.
    """
    if not (Path(folder) / "adapter_config.json").is_file():
        raise FileNotFoundError(f"{folder} holds no adapter; it has an adapter_config.json.")
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            return PeftModel.from_pretrained(model, str(folder))
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise ValueError(f"{folder}: the adapter belongs to another backbone ({reason}).") from None


def scale_adapter(model: PeftModel, share: float) -> None:
    """Keeps a share of what the adapter adds: a classifier between the pretrained (0) and the trained one (1).

    A point between is often better than either end, at home and abroad (Wortsman et al. 2022, "Robust fine-tuning of
    zero-shot models"). The head stays as trained: refit it.
    """
    for settings in model.peft_config.values():
        settings.lora_alpha = SCALE * settings.r * share  # as `save_adapter` will write it
    for module in model.modules():
        if isinstance(module, LoraLayer):
            for name in module.scaling:
                module.set_scale(name, share)


def interpolate(model: PreTrainedModel, start: PreTrainedModel, share: float) -> None:
    """Does the same to a classifier that was trained whole from `start`: between both lies all but the last layer."""
    before = start.state_dict()
    for name, value in model.named_parameters():
        if not name.startswith("classifier"):
            value.data.lerp_(before[name].to(value), 1 - share)
