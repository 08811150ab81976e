"""What the header of a sound file promises. libsndfile reads a file that ends before, and only notes it."""

import re

SHORT = re.compile(r"^ ?(?:data|SSND) : (\d+) \(should be (\d+)\)", re.MULTILINE)  # libsndfile's note on WAV and AIFF
NO_LENGTH = 2_000_000_000  # bytes; what a writer to a pipe, who cannot know, puts into a WAV header is above it


def promised_frames(info) -> int:
    """Samples per channel that a file should hold: more than `info.frames` where it was cut short.

    Args:
        info: from `soundfile.info`.
    """
    short = SHORT.search(info.extra_info)
    if not short or int(short[1]) >= NO_LENGTH:
        return info.frames
    return info.frames * int(short[1]) // max(1, int(short[2]))
