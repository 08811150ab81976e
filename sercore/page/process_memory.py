"""Time and peak memory in a process that does nothing else. It is this file, as importing the package loads PyTorch.

python process_memory.py FILE SAMPLES < AUDIO: analyses a voice note, float32; without audio predicts noise once.
"""

import json
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np

from sercore.audio_files import SAMPLE_RATE
from sercore.runtime import EmotionClassifier, analyze_voice_note


def measure_process(file: str | Path, seconds: float, note: np.ndarray | None = None) -> dict[str, float]:
    """Time and memory of one prediction, or of the voice-note pipeline, on one thread of a process of its own.

    Args:
        file: ONNX.
        seconds: of audio.
        note: waveform (samples,) at 16 kHz, repeated to the length; it arrives in pieces of a second. None is noise.

    Returns:
        seconds; classifier and rest: seconds of work; runtime, loaded, running: most bytes before the model is loaded,
        with all loaded, and in the end.
    """
    command = [sys.executable, __file__, file, str(round(seconds * SAMPLE_RATE))]
    audio = b"" if note is None else note.astype(np.float32).tobytes()
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


def run(file: str, samples: int, note: np.ndarray) -> dict[str, float]:
    """What `measure_process` returns, of this process."""
    peaks = {"runtime": read_peak()}
    classifier = TimedClassifier(file, threads=1)
    if len(note):
        analyze_voice_note(note[:SAMPLE_RATE], classifier)  # loads and warms up
        classifier.spent = 0.0
    peaks["loaded"], began = read_peak(), perf_counter()
    if len(note):
        places = (np.arange(start, min(start + SAMPLE_RATE, samples)) for start in range(0, samples, SAMPLE_RATE))
        analyze_voice_note((note.take(place, mode="wrap") for place in places), classifier)
    else:
        classifier.probabilities(np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32))
    work, spent = perf_counter() - began, classifier.spent
    times = {"seconds": samples / SAMPLE_RATE, "classifier": spent, "rest": work - spent}
    return times | peaks | {"running": read_peak()}


if __name__ == "__main__":
    note = np.frombuffer(sys.stdin.buffer.read(), np.float32)
    print(json.dumps(run(sys.argv[1], int(sys.argv[2]), note)))
