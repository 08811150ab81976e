"""What an app does with the installed package; prints JSON: python use_wheel.py MODEL.onnx VOICE.wav."""

import importlib.util
import json
import sys

import sercore
from sercore import paths
from sercore.runtime import EmotionClassifier, analyze_voice_note

ABSENT = ("torch", "pandas", "onnx", "yaml", "scipy", "silero_vad")


def main(model: str, voice: str) -> None:
    classifier = EmotionClassifier(model, threads=1)
    found = {
        "package": sercore.__file__,
        "prediction": classifier.predict(voice),
        "note": analyze_voice_note(voice, classifier).as_dict(),
        "shipped": {name: sercore.load(name).predict(voice) for name in sercore.MODELS},
        "profiles": sorted(file.name for file in paths.profiles_root().iterdir()),
        "results": sorted(
            file.relative_to(paths.results_root()).as_posix() for file in paths.results_root().rglob("*.*")
        ),
        "importable": [name for name in ABSENT if importlib.util.find_spec(name)],
        "loaded": sorted({name.partition(".")[0] for name in sys.modules}),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
