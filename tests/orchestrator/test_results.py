import dataclasses
import json
import math
from pathlib import Path

import pytest

from orchestrator import results as module
from orchestrator.config import default_trial, override
from orchestrator.digest import code_digest
from orchestrator.errors import StoreError
from orchestrator.results import (
    Epoch,
    Provenance,
    Record,
    provenance,
    read_json,
    read_record,
    record_from_json,
    run_id,
    write_json,
)

CONFIG = default_trial("sasrec", "toys")


@pytest.fixture
def record():
    epochs = [
        Epoch(
            step=step,
            stage="joint",
            loss={"total": 1 / 3, "cross_entropy": 0.1},
            valid={"val/ndcg@10": 0.1 * step},
            seconds=0.5,
        )
        for step in (1, 2)
    ]
    return Record(
        run_id=run_id(CONFIG, "data"),
        status="finished",
        config=json.loads(json.dumps(CONFIG.to_json())),
        provenance=Provenance(
            code="c", commit="", data="data", device="cpu", versions={"torch": "2.13"}
        ),
        metrics={"val/ndcg@10": 0.2, "test/ndcg@10": 1 / 7},
        epochs=tuple(epochs),
        best_step=2,
        num_parameters=12,
        seconds=1.0,
        inputs={"text": "tokens"},
    )


def test_a_record_comes_back_as_it_was_written(record, tmp_path):
    path = tmp_path / "runs" / "x" / "record.json"
    write_json(path, record.to_json())
    assert read_record(path) == record
    assert record_from_json(record.to_json()) == record
    assert [p.name for p in path.parent.iterdir()] == ["record.json"]


def test_a_failed_run_has_a_record_too(record, tmp_path):
    failed = dataclasses.replace(
        record, status="failed", metrics={}, epochs=(), best_step=None,
        reason="the loss is nan.", traceback="Traceback ...\n",
    )  # fmt: skip
    write_json(tmp_path / "record.json", failed.to_json())
    assert read_record(tmp_path / "record.json") == failed


@pytest.mark.parametrize("broken", ["write_text", "replace"])
def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch, broken):
    path = tmp_path / "record.json"
    write_json(path, {"old": 1})
    original = getattr(Path, broken)

    def full(self, *args, **kwargs):
        if self.parent == tmp_path:
            raise OSError(28, "No space left on device")
        return original(self, *args, **kwargs)

    rule = r"record\.json: cannot be written \(No space left on device\)\. Choose another"
    with monkeypatch.context() as patch:
        patch.setattr(Path, broken, full)
        with pytest.raises(StoreError, match=rule):
            write_json(path, {"new": 2})
    assert read_json(path) == {"old": 1}


def test_nothing_is_half_written(tmp_path, monkeypatch):
    """A reader that looks in the middle of a write sees the old file, whole."""
    path = tmp_path / "record.json"
    write_json(path, {"old": 1})
    seen = []
    original = Path.write_text

    def watched(self, *args, **kwargs):
        result = original(self, *args, **kwargs)
        seen.append((self != path, read_json(path)))
        return result

    monkeypatch.setattr(Path, "write_text", watched)
    write_json(path, {"new": 2})
    assert seen == [(True, {"old": 1})]
    assert read_json(path) == {"new": 2}


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"record\.json: cannot be written \(.+\)\. Choose"):
        write_json(tmp_path / "file" / "record.json", {})


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(StoreError, match=r"record\.json: cannot be read \(No such file"):
        read_record(tmp_path / "record.json")


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1', b"\xff\xfe", b"not json"])
def test_a_file_that_is_not_json_is_told_with_a_way_out(tmp_path, content):
    (tmp_path / "record.json").write_bytes(content)
    rule = r"record\.json: is not JSON \(.+\)\. Delete it and run again\."
    with pytest.raises(StoreError, match=rule):
        read_record(tmp_path / "record.json")


def without(key):
    return lambda plain: {name: value for name, value in plain.items() if name != key}


@pytest.mark.parametrize(
    "change",
    [
        without("run_id"),
        without("epochs"),
        without("provenance"),
        lambda plain: {**plain, "colour": "red"},
        lambda plain: {**plain, "epochs": [{"step": 1}]},
        lambda plain: {**plain, "epochs": None},
        lambda plain: {**plain, "provenance": {"code": "c"}},
        lambda plain: [plain],
        lambda plain: "text",
        lambda plain: None,
    ],
)
def test_json_that_is_no_record_is_told_with_a_way_out(record, tmp_path, change):
    (tmp_path / "record.json").write_text(json.dumps(change(record.to_json())))
    rule = r"(?s)record\.json: is not a record \(.+\)\. Delete it and run again\."
    with pytest.raises(StoreError, match=rule):
        read_record(tmp_path / "record.json")


def test_a_run_is_told_apart_by_settings_seed_data_and_code(monkeypatch):
    base = run_id(CONFIG, "data")
    assert run_id(default_trial("sasrec", "toys"), "data") == base
    changes = [
        dataclasses.replace(CONFIG, seed=1),
        dataclasses.replace(CONFIG, dataset="beauty"),
        default_trial("tame", "toys"),
        *[
            override(CONFIG, {key: value}, where="test")
            for key, value in [
                ("model.dim", 32),
                ("model.dropout", math.nextafter(0.5, 1)),
                ("train.patience", 11),
                ("eval.ties", "mean"),
            ]
        ],
    ]
    ids = [base, run_id(CONFIG, "other data"), *(run_id(change, "data") for change in changes)]
    monkeypatch.setattr(module, "code_digest", lambda model: "other code")
    ids.append(run_id(CONFIG, "data"))
    assert len(set(ids)) == len(ids)


def test_provenance_says_where_a_number_comes_from():
    made = provenance(model="tame", data="abc", device="cpu")
    assert (made.data, made.device, made.code) == ("abc", "cpu", code_digest("tame"))
    assert {"python", "orch", "torch", "numpy"} <= made.versions.keys()
