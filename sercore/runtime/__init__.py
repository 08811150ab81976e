"""What an app ships: a file as a classifier, and voice notes. Needs NumPy, ONNX Runtime, soundfile and soxr."""

from sercore.runtime.classifier import EmotionClassifier
from sercore.runtime.speaker import SpeakerClassifier
from sercore.runtime.vad import SpeechDetector
from sercore.runtime.voice_note import VoiceNote, VoiceNoteStream, aggregate_windows, analyze_voice_note
from sercore.runtime.voice_note_settings import AGGREGATES, VoiceNoteSettings
