"""Writes sentences in synthetic voices, speech without labels for distillation: what CREMA-D's twelve sentences lack.

python workflow/speak_sentences.py FOLDER [COUNT]. Needs flite and espeak-ng (Debian has both). Each sentence is put
together from lists of words, and spoken by a voice, at a pitch and a speed of its own, all drawn from a fixed seed.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np

WHO = """
my brother | the old captain | a tall stranger | our neighbour | the young doctor | every second child |
nobody here | the choir | that woman | your uncle | the whole village | a quiet boy | the judge |
someone upstairs | her best friend | the driver
"""
DOES = """
has broken | could never find | was looking for | will bring back | keeps hiding | forgot about |
would rather sell | painted | is afraid of | threw away | has been dreaming of | asked me about | borrowed |
measured | should have watched | carried
"""
WHAT = """
a yellow bicycle | the last piece of cake | seven wooden boxes | an unusual letter | the key to the garage |
those heavy curtains | a pair of shoes | the broken window | two cups of hot chocolate | the village clock |
a very loud machine | some fresh oranges | the blue envelope | an enormous fish | your favourite jacket |
a thousand questions
"""
WHEN = """
on a rainy Thursday | before the show began | without saying why | in front of everybody | for no good reason |
during the night | behind the church | after all these years | with both hands | at the edge of the forest |
as usual | near the harbour | just this once | while we were asleep | again and again | by mistake
"""
ENDS = (".", "!", "?")
FLITE = ("kal16", "awb", "rms", "slt")
ENGLISH = ("en-us", "en-gb", "en-gb-scotland", "en-029")
ESPEAK = (*ENGLISH, "en-us+f3", "en-us+f5", "en-gb+f2", "en-us+m3", "en-us+m7", "en-gb+m5")
PITCH_HZ = (80, 300)


def speak(file: Path, random: np.random.Generator) -> None:
    """Writes one sentence as a WAV file."""
    parts = (random.choice(text.strip().replace("\n", " ").split(" | ")) for text in (WHO, DOES, WHAT, WHEN))
    text = " ".join(parts) + random.choice(ENDS)
    if random.random() < 0.5:
        settings = {"int_f0_target_mean": random.uniform(*PITCH_HZ), "int_f0_target_stddev": random.uniform(5, 60)}
        settings |= {"duration_stretch": random.uniform(0.75, 1.35)}
        changed = [part for name, value in settings.items() for part in ("--setf", f"{name}={value:.2f}")]
        command = ["flite", "-voice", random.choice(FLITE), *changed, "-t", text, "-o", file]
    else:
        rates = {"-p": random.integers(0, 100), "-s": random.integers(120, 230), "-g": random.integers(0, 4)}
        changed = [part for name, value in rates.items() for part in (name, str(value))]
        command = ["espeak-ng", "-v", random.choice(ESPEAK), *changed, "-w", file, text]
    subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    folder, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3_600
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        speak(folder / f"{number:04}.wav", np.random.default_rng(number))
