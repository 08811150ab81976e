"""The corpora: a module with a SPEC each, and one reader for all."""

from sercore.data.corpora.registry import CORPORA, CorpusSpec, digest_corpus, load_corpus, register_corpus
from sercore.data.splits import assign_sessions
