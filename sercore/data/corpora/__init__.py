"""Readers of the three corpora, and the writer of their synthetic twins."""

from sercore.data.corpora.reader import CORPORA, load_corpus
from sercore.data.corpora.synthetic import write_synthetic

__all__ = ["CORPORA", "load_corpus", "write_synthetic"]
