"""Optuna's history survives a line that was cut."""

import warnings

from orchestrator.sweep.journal import mend
from orchestrator.sweep.sampling import num_told_before, open_study, suggest


def test_a_cut_last_line_is_dropped_and_the_history_kept(tmp_path, make_space):
    warnings.simplefilter("ignore")
    space = make_space("train.learning_rate = {low = 1e-3, high = 1e-2}", kind="joint")
    path = tmp_path / "optuna.journal"
    study = open_study(path, "s", seed=0)
    for value in (0.1, 0.2):
        trial = study.ask()
        suggest(trial, space)
        study.tell(trial, value)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":4,"worker_id":"abc-')
    again = open_study(path, "s", seed=0)
    assert num_told_before(path, "s") == 2
    trial = again.ask()
    suggest(trial, space)
    again.tell(trial, 0.3)
    assert num_told_before(path, "s") == 3


def test_a_whole_file_and_none_are_left_alone(tmp_path):
    path = tmp_path / "optuna.journal"
    mend(path)
    assert not path.exists()
    path.write_bytes(b'{"a":1}\n')
    mend(path)
    assert path.read_bytes() == b'{"a":1}\n'
