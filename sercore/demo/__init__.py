"""Synthetic speech and the corpora made of it."""

from sercore.demo.synthetic_corpora import write_corpus
from sercore.demo.voices import Manner, Voice, draw_voice, express_emotion, speak
