"""The command line: `python -m sercore`. Commands are loaded when they are asked for, so that --help is quick."""

import argparse
import os
import sys

from sercore import __version__
from sercore.deployment import commands
from sercore.deployment.commands import DONE, NOTHING_DONE, SOME_FAILED
from sercore.deployment.output import complain
from sercore.deployment.rules import AGGREGATES, Rules

INTERRUPTED, PIPE_CLOSED = 130, 141
EXIT_CODES = f"""exit codes:
  {DONE}    all done
  {SOME_FAILED}    some failed, each named on standard error; the rest is done
  {NOTHING_DONE}    wrong usage, or nothing could be done
  {INTERRUPTED}  interrupted
  {PIPE_CLOSED}  whoever read the output closed it"""
PREDICT = """examples:
  python -m sercore predict model.onnx voice.wav
  python -m sercore predict model.onnx recordings/ --json > answers.jsonl
  python -m sercore predict model.onnx talk.flac --windows --timeline talk.png
  arecord -t raw -f S16_LE -r 16000 | python -m sercore predict model.onnx -

A row per recording has file, seconds, speech (seconds of it), label, a probability per label, certainty (1: sure, 0: no
idea) and agreement (share of the speech whose window has the label). With --windows, or of standard input, a row per
window has file, start, end, speech (share of the window), weight (new seconds of speech), label and probabilities. JSON
is one object per line: a window, or a recording with all its segments and windows. Where there is no speech there is no
label. Every line is printed when it is known, so that a run that is killed loses nothing of what was done."""
RECORDINGS = """recordings, folders that are searched through, or - for raw 16-bit little-endian mono on standard input,
each of whose windows is printed when it is complete"""
EXPORT = """example:
  python -m sercore export runs/open/cremad-production-random fp32.onnx"""
QUANTIZE = """examples:
  python -m sercore quantize fp32.onnx w8 w8.onnx
  python -m sercore quantize fp32.onnx w8a8 w8a8.onnx --calibrate CREMA-D/AudioWAV"""
BENCHMARK = """example:
  python -m sercore benchmark fp32.onnx w8.onnx w8a8.onnx

Median of the latency and, in brackets, its quartiles. The files take turns, so that what slows the machine slows all."""
CORPORA = """examples:
  python -m sercore corpora
  SERCORE_IEMOCAP=/path/to/IEMOCAP_full_release python -m sercore corpora --profile paper --decode"""


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the arguments."""

    def error(self, message: str):
        self.exit(NOTHING_DONE, f"sercore: {message}; see {self.prog} --help\n")


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and gives its exit code; a user's mistake is one line on standard error.

    Args:
        arguments: without the program's name; None for those of the process.
    """
    options = _parser().parse_args(arguments)
    try:
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be valid text
        return options.run(options)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python complains when it empties the buffer at the end
        return PIPE_CLOSED
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except (OSError, ValueError, ImportError) as error:
        complain(str(error))
        return NOTHING_DONE


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m sercore",
        description="Speech emotion recognition: what a model says of recordings, and the way from a run to such a model.",
        epilog=f"{EXIT_CODES}\n\nEach command has a --help with examples.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-V", "--version", action="version", version=f"sercore {__version__}")
    known = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _predict(_command(known, "predict", "tell the emotion of recordings", PREDICT))
    _export(_command(known, "export", "write a run's model as one ONNX file", EXPORT))
    _quantize(_command(known, "quantize", "write a smaller or faster copy of an exported file", QUANTIZE))
    _benchmark(_command(known, "benchmark", "measure size, load time and latency of ONNX files", BENCHMARK))
    _corpora(_command(known, "corpora", "look for the corpora and count what is in them", CORPORA))
    return parser


def _command(known, name: str, purpose: str, examples: str) -> argparse.ArgumentParser:
    parser = known.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.", epilog=f"{examples}\n\n{EXIT_CODES}")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.set_defaults(run=getattr(commands, name))
    return parser


def _predict(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="ONNX file of export or quantize")
    add("audio", metavar="FILE|FOLDER", nargs="+", help=RECORDINGS)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--json", dest="form", action="store_const", const="json", default="table", help="one JSON object per line")
    kind.add_argument("--csv", dest="form", action="store_const", const="csv", help="comma-separated, with a header")
    add("--windows", action="store_true", help="a row per window instead of one per recording")
    add("--timeline", metavar="OUT.png", help="draw emotion over time; takes a single recording")
    add("--no-vad", dest="vad", action="store_false", help="count all of a recording as speech")
    overlap = f"seconds by which a window reaches into the one before (default {Rules.overlap:g})"
    add("--overlap", type=float, default=Rules.overlap, metavar="S", help=overlap)
    add("--aggregate", choices=AGGREGATES, default=Rules.aggregate, help=f"of the windows (default {Rules.aggregate}: by their speech)")
    add("--rate", type=int, metavar="HZ", help="of standard input (default 16000)")


def _export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="RUN", help="folder of a finished run")
    parser.add_argument("file", metavar="OUT.onnx", help="to write")


def _quantize(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("onnx", metavar="IN.onnx", help="file of export")
    parser.add_argument("scheme", metavar="SCHEME", help="recipe; an unknown one is answered with the list")
    parser.add_argument("file", metavar="OUT.onnx", help="to write")
    parser.add_argument("--calibrate", metavar="FOLDER", help="training speech, for schemes with calibrated activations")


def _benchmark(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE.onnx", nargs="+", help="files of export or quantize")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="processor threads of one prediction (default 1)")
    parser.add_argument("--repeats", type=int, default=15, metavar="N", help="turns that count (default 15)")


def _corpora(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", default="open", help="open (default), paper, demo, or a YAML file of settings")
    parser.add_argument("--decode", action="store_true", help="also decode every file: broken, silent, or one sound under two labels")


if __name__ == "__main__":
    sys.exit(main())
