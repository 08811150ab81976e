"""Trains the demo with the settings given as JSON: a process of its own, which a test can kill."""

import json
import sys

from sercore.experiment import Experiment
from sercore.training import train

train(Experiment.from_profile("demo", **json.loads(sys.argv[1])))
