"""A tiny world, spaces written for a test, and small runs of SASRec."""

import json
import shutil
from contextlib import contextmanager

import pytest

from orchestrator import api
from orchestrator.config import default_trial, override
from orchestrator.sweep import space as space_module
from orchestrator.sweep.space import read_spaces
from orchestrator.sweep.study import SpaceStudy

SMALL = {
    "model.dim": 8,
    "model.inner_dim": 16,
    "model.num_layers": 1,
    "model.max_length": 10,
    "train.max_epochs": 2,
    "train.batch_targets": 64,
    "eval.cutoffs": (10, 20),
}


@pytest.fixture(scope="session")
def new_results(tmp_path_factory, made_store):
    """Makes a results folder with a fresh store."""

    def make():
        folder = tmp_path_factory.mktemp("run") / "my results"  # a space in the path is usual
        folder.mkdir()
        shutil.copy(made_store, folder / "mlflow.db")
        return folder

    return make


@pytest.fixture(scope="session")
def small():
    return SMALL


@pytest.fixture
def base():
    return override(default_trial("sasrec", "tiny"), SMALL, where="test")


@pytest.fixture
def read(tmp_path):
    """Reads the text of a file of spaces of SASRec."""

    def read_text(text):
        path = tmp_path / "sasrec.toml"
        path.write_text(text)
        return read_spaces("sasrec", path=path)

    return read_text


@pytest.fixture
def make_space(read):
    """A space of the given factors, as TOML lines."""

    def make(*factors, kind="one-factor"):
        lines = [f"factors.{line}" for line in factors]
        return read("\n".join(["[spaces.test]", f'kind = "{kind}"', *lines])).spaces["test"]

    return make


@pytest.fixture
def make_study(make_space, base):
    def make(*factors, kind="one-factor", **fields):
        given = {
            "name": "test",
            "space": make_space(*factors, kind=kind),
            "base": base,
            "seeds": (0, 1),
            "num_trials": 20,
            "scheduler": "none",
            "data_hash": "d" * 16,
        }
        return SpaceStudy(**{**given, **fields})

    return make


@pytest.fixture(scope="session")
def spaces_file(tmp_path_factory):
    """A context in which a text is SASRec's file of spaces."""

    @contextmanager
    def context(text):
        folder = tmp_path_factory.mktemp("spaces")
        (folder / "sasrec.toml").write_text(text)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(space_module, "folder", lambda: folder)
            yield

    return context


@pytest.fixture(scope="session")
def run_sweep(spaces_file, data_dir, small):
    """Runs a sweep of the space ``test`` of a text on the tiny world."""

    def run(text, **arguments):
        given = {
            "dataset": "tiny",
            "num_seeds": 2,
            "data_dir": data_dir,
            "overrides": small,
            "device": "cpu",
            **arguments,
        }
        with spaces_file(text):
            return api.sweep("sasrec", "test", **given)

    return run


class Heard:
    """What a listener hears, in order."""

    def __init__(self):
        self.events = []

    def checking(self, num_done, num_variants):
        self.events.append(("checking", num_done, num_variants))

    def phase(self, name):
        self.events.append(("phase", name))

    def planned(self, num_runs, num_reused, notes):
        self.events.append(("planned", num_runs, num_reused))

    def note(self, text):
        self.events.append(("note", text))

    def epoch(self, run, epoch):
        self.events.append(("epoch", run.name, epoch.step))

    def repeated(self, run, record):
        self.events.append(("repeated", run.name, record.failure))

    def finished(self, run, record):
        self.events.append(("finished", run.name, record.status))

    def of(self, *kinds):
        """The events of some kinds."""
        return [event for event in self.events if event[0] in kinds]


@pytest.fixture(scope="session")
def new_listener():
    return Heard


@pytest.fixture(scope="session")
def comparable():
    """A record as JSON, without the seconds and the memory that no two runs share."""

    def strip(record):
        unlike = {"seconds": 0.0, "cpu_seconds": 0.0, "peak_memory": None}
        plain = json.loads(json.dumps({**record.to_json(), **unlike}))
        epochs = [{**epoch, "seconds": 0.0} for epoch in plain["epochs"]]
        return {**plain, "epochs": epochs, "traceback": record.traceback is not None}

    return strip
