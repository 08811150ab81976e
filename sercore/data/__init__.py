"""Corpora to batches."""

from sercore.data.audio_cache import cache_audio, find_suspicious
from sercore.data.augmentation import augment
from sercore.data.batches import Collator, UtteranceDataset, load_split, load_target, load_utterances
from sercore.data.corpora import CORPORA, CorpusSpec, assign_sessions, digest_corpus, load_corpus, register_corpus
from sercore.data.preprocessing import preprocess
from sercore.data.splits import Split, class_weights, loso_split, production_split, shared_speakers, validation_session
