"""Distils from the run in a folder with the settings given as JSON: a process of its own, which a test can kill."""

import json
import sys

from sercore.training import read_run
from sercore.training.distillation import Distillation, distil

print(distil(read_run(sys.argv[1]), Distillation(**json.loads(sys.argv[2]))))
