"""The same runs give the same bytes, in whatever process."""

import os
import subprocess
import sys
from pathlib import Path

CODE = """
import hashlib, importlib.util, sys
spec = importlib.util.spec_from_file_location("made", sys.argv[1])
made = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made)
from orchestrator.reporting.plots.draw import Look, as_csv, draw
from orchestrator.reporting.plots.kind import Asked
from orchestrator.reporting.style import rendered
for name in ("sensitivity", "contour", "cold", "tsne"):
    drawn = draw(name, [made.MAKERS[made.GIVES[name]]()], Asked(), Look(preset="ieee-page"))
    for form in ("pdf", "png", "svg"):
        print(name, form, hashlib.sha256(rendered(drawn.figure, form)).hexdigest())
    print(name, hashlib.sha256(as_csv(drawn.frame)).hexdigest())
"""


def test_two_processes_draw_the_same_bytes():
    place = Path(__file__).with_name("conftest.py")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CODE, str(place)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for seed in ("1", "2")
    ]
    (one, problem), (other, _) = [process.communicate() for process in processes]
    assert len(one.splitlines()) == 16, problem
    assert one == other
