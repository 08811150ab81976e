"""From a run to what others can use. A name is loaded when it is asked for, so that the classifier needs no torch."""

import sys
from importlib import import_module
from types import ModuleType

HOMES = {
    "EmotionClassifier": "classifier",
    "Rules": "rules",
    "SCHEMES": "quantize",
    "VoiceNote": "voice_note",
    "VoiceNoteStream": "voice_note",
    "analyze_voice_note": "voice_note",
    "export_onnx": "export",
    "quantize": "quantize",
    "write_card": "card",
}
__all__ = [*HOMES]


class _Wing(ModuleType):
    """A module of one noun and its function share a name here; the function is meant, whichever is loaded first."""

    def __setattr__(self, name: str, value):
        named = name in HOMES and isinstance(value, ModuleType)
        super().__setattr__(name, getattr(value, name) if named else value)


sys.modules[__name__].__class__ = _Wing


def __getattr__(name: str):
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
