"""Speech emotion recognition with a distilled HuBERT: the library behind the book."""

__version__ = "0.1.0"
