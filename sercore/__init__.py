"""Speech emotion recognition with a distilled HuBERT: the library behind the book."""

__version__ = "0.2.0"
