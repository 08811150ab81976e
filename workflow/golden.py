"""Runs every ONNX file of a folder on the golden waveforms with the installed runtime; prints JSON. Needs no sercore.

python golden.py FOLDER GOLDEN.json
"""

import base64
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort


def main(folder: str, golden: str) -> None:
    """Prints the version, and per scheme the probabilities of each waveform or the first line of the error."""
    waveforms = {
        name: np.frombuffer(base64.b64decode(text), "<i2").astype(np.float32)[None] / 32768
        for name, text in json.loads(Path(golden).read_text())["waveforms"].items()
    }
    found = {file.stem: run_file(file, waveforms) for file in sorted(Path(folder).glob("*.onnx"))}
    print(json.dumps({"runtime": f"onnxruntime {ort.__version__}", "schemes": found}))


def run_file(file: Path, waveforms: dict) -> dict:
    """Name of a waveform to its probabilities, or {"error": ...}."""
    try:
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 4
        session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        return {
            name: session.run(["probabilities"], {"waveform": waveform})[0][0].tolist()
            for name, waveform in waveforms.items()
        }
    except Exception as error:  # whatever a runtime refuses is a result here
        return {"error": str(error).strip().splitlines()[0][:200]}


if __name__ == "__main__":
    main(*sys.argv[1:])
