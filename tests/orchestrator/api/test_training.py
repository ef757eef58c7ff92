from orchestrator import api
from orchestrator.results import read_record


def test_a_single_run_is_the_sweeps_run(swept, place, small):
    """Equal settings, seed, data and code are one run, whoever asks for it."""
    record = api.train(
        "sasrec",
        dataset="tiny",
        seed=1,
        overrides=small,
        results=place / "results",
        data_dir=place / "data",
    )
    assert record.run_id in {swept_record.run_id for swept_record in swept.records}
    stored = place / "results" / "runs" / record.run_id / "record.json"
    assert read_record(stored) == record


def test_a_single_run_elsewhere_gives_the_same_numbers(swept, place, small, tmp_path):
    epochs = []
    record = api.train(
        "sasrec",
        dataset="tiny",
        overrides=small,
        results=tmp_path,
        data_dir=place / "data",
        on_epoch=epochs.append,
    )
    (other,) = [found for found in swept.records if found.run_id == record.run_id]
    assert dict(record.metrics) == dict(other.metrics)
    assert tuple(epochs) == record.epochs
