"""Time and peak memory in a process that does nothing else. It is this file, as importing the package loads PyTorch.

python process_memory.py model FILE SAMPLES: predicts noise once.
python process_memory.py note FILE SAMPLES < AUDIO: analyses a voice note, float32, repeated to so many samples.
"""

import json
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np

from sercore.audio_files import SAMPLE_RATE
from sercore.runtime import EmotionClassifier, analyze_voice_note


def measure_memory(file: str | Path, seconds: float) -> dict[str, int]:
    """Peak bytes of a process of its own: with the "runtime" alone, with the model "loaded", after "running" once."""
    return _in_process("model", file, seconds)


def measure_voice_note(file: str | Path, note: np.ndarray, seconds: float) -> dict[str, float]:
    """Time and memory of the voice-note pipeline, on one thread of a process of its own.

    Args:
        file: ONNX.
        note: waveform (samples,) at 16 kHz, repeated to the length; it arrives in pieces of a second.
        seconds: of audio.

    Returns:
        seconds; classifier and rest: seconds of work; before and peak: most bytes with all loaded, and in the end.
    """
    return _in_process("note", file, seconds, note.astype(np.float32).tobytes())


def _in_process(kind: str, file: str | Path, seconds: float, audio: bytes = b"") -> dict:
    """What this file prints as a program."""
    command = [sys.executable, __file__, kind, file, str(round(seconds * SAMPLE_RATE))]
    done = subprocess.run(command, input=audio, capture_output=True)
    if done.returncode:
        raise ValueError(f"{file}: cannot be measured ({done.stderr.decode().strip().splitlines()[-1]}).")
    return json.loads(done.stdout)


class TimedClassifier(EmotionClassifier):
    spent = 0.0  # seconds

    def probabilities(self, *arguments, **named) -> np.ndarray:
        began = perf_counter()
        found = super().probabilities(*arguments, **named)
        self.spent += perf_counter() - began
        return found


def read_peak() -> int:
    """The most memory that this process has had, in bytes."""
    status = Path("/proc/self/status")
    if status.is_file():  # there, getrusage starts from the memory of the calling process
        return 1024 * int(status.read_text().partition("VmHWM:")[2].split()[0])
    import resource  # Windows has none

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def run_model(file: str, samples: int) -> dict[str, int]:
    """Peaks with the runtime alone, with the model, and after one waveform, on one thread."""
    peaks = {"runtime": read_peak()}
    classifier = EmotionClassifier(file, threads=1)
    peaks["loaded"] = read_peak()
    classifier.probabilities(np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32))
    return peaks | {"running": read_peak()}


def run_note(file: str, samples: int, note: np.ndarray) -> dict[str, float]:
    """Seconds of the classifier and of the rest, and peaks, for a note that arrives second by second."""
    classifier = TimedClassifier(file, threads=1)
    analyze_voice_note(note[:SAMPLE_RATE], classifier)  # loads and warms up
    classifier.spent = 0.0
    places = (np.arange(start, min(start + SAMPLE_RATE, samples)) for start in range(0, samples, SAMPLE_RATE))
    before, began = read_peak(), perf_counter()
    analyze_voice_note((note.take(place, mode="wrap") for place in places), classifier)
    rest = perf_counter() - began - classifier.spent
    times = {"seconds": samples / SAMPLE_RATE, "classifier": classifier.spent, "rest": rest}
    return times | {"before": before, "peak": read_peak()}


if __name__ == "__main__":
    kind, file, samples = sys.argv[1], sys.argv[2], int(sys.argv[3])
    note = np.frombuffer(sys.stdin.buffer.read(), np.float32)
    print(json.dumps(run_model(file, samples) if kind == "model" else run_note(file, samples, note)))
