"""The benchmark of dropout: both ways are run, told and written."""

import csv

import pytest
import torch
import torch.nn.functional as F

from models.layers import dropout


@pytest.fixture(scope="module")
def ways(benchmark):
    return benchmark


def test_each_way_is_the_one_that_models_use(ways):
    x = torch.ones(4000)
    for way, drops in {"ours": dropout.drop, "torch": F.dropout}.items():
        torch.manual_seed(1)
        expected = drops(x, 0.5)
        torch.manual_seed(1)
        with ways.by(way):
            assert torch.equal(dropout.Dropout(0.5)(x), expected)
    torch.manual_seed(1)
    assert not torch.equal(dropout.Dropout(0.5)(x), expected)


def test_dropout_and_a_model_are_timed_by_both_ways(ways, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ways, "ELEMENTS", 1000)
    monkeypatch.setattr(ways, "STEPS", 1)
    out = tmp_path / "rows.csv"
    ways.main(["--elements", "100", "--models", "gru4rec", "--rounds", "1", "--out", str(out)])
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["what"], row["way"]) for row in rows] == [
        (what, way) for what in ("1,000 by 100", "1 steps of gru4rec") for way in ("ours", "torch")
    ]
    ratio = float(rows[1]["seconds"]) / float(rows[0]["seconds"])
    assert f"{ratio:.2f}" in capsys.readouterr().out
