import models
from orchestrator.config import default_trial, flatten
from orchestrator.reporting.records import records_frame
from orchestrator.results import Provenance, Record


def test_records_make_the_frame_that_the_tracker_gives():
    config = default_trial(models.names()[0], "planted", seed=3)
    source = Provenance(code="c", commit="", data="d", device="cpu", versions={})
    good = Record(
        run_id="a",
        status="finished",
        config=config.to_json(),
        provenance=source,
        metrics={"test/ndcg@20": 0.5},
        best_step=2,
    )
    bad = Record(run_id="b", status="failed", config=config.to_json(), provenance=source)
    frame = records_frame([good, bad])
    assert list(frame.columns[:3]) == ["run_id", "status", "seed"]
    expected = {*flatten(config), "test/ndcg@20", "num_parameters", "seconds", "best_step"}
    assert set(frame.columns[3:]) == expected
    assert frame["status"].tolist() == ["finished", "failed"]
    assert frame["seed"].tolist() == [3, 3]
    assert frame["test/ndcg@20"].isna().tolist() == [False, True]
