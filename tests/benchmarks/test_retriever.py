"""The benchmark of the retriever: equal ways, no padding in ours, and failures that are told."""

import csv

import pytest
import torch


@pytest.fixture(scope="module")
def retriever(benchmark):
    return benchmark


@pytest.fixture
def point(retriever):
    return {
        "items": 30,
        "queries": 2,
        "heads": 4,
        "varied": True,
        "alone": False,
        "rounds": 1,
        "threads": 1,
        "clock": "cpu",
    }


@pytest.fixture
def folder(retriever, tmp_path):
    retriever.make_tokens(tmp_path, 30, varied=True)
    return tmp_path


def test_both_ways_give_the_same_values_and_gradients(retriever, point, folder):
    asked = retriever.Point(**point)
    features = retriever.read_tokens(folder, asked)
    queries = torch.randn(31, 2, retriever.DIM, requires_grad=True)
    ours = retriever.Ours(features, asked)
    found = ours.step(queries)
    expected = retriever.Torchs(ours, features, asked).step(queries)
    assert len(found) == len(expected) == 2 + 1 + 4
    for one, other in zip(found, expected, strict=True):
        assert other.abs().max() > 0
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    retriever._check(found, expected)
    with pytest.raises(SystemExit, match=r"differ by .*: no times are compared"):
        retriever._check(found, [expected[0] * 1.01, *expected[1:]])


def test_a_table_and_a_csv_have_a_row_per_point(retriever, tmp_path, capsys):
    out = tmp_path / "retriever.csv"
    asked = [*("--items", "30"), *("--queries", "1", "2"), *("--heads", "2"), *("--rounds", "1")]
    retriever.main([*asked, "--threads", "1", "--out", str(out)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "absorbed/absorbed" in lines[1]
    with out.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["queries"], row["heads"]) for row in rows] == [("1", "2"), ("2", "2")]
    for row in rows:
        ratio = float(row["torch_s"]) / float(row["ours_s"])
        assert float(row["faster"]) == pytest.approx(ratio)


def test_alone_there_is_nothing_to_compare_with(retriever, point, folder):
    row = retriever.measure(retriever.Point(**{**point, "alone": True}), folder)
    assert row.ours_s > 0
    line = retriever.show(row)
    assert "nan" not in line
    assert line.split()[5:] == ["-", "-", f"{row.ours_mb:.0f}", "-", "-", "-"]
    assert len(line) == len(retriever.HEADER)


def test_a_measurement_that_fails_is_told(retriever, point, folder):
    with pytest.raises(SystemExit, match="multiply up"):
        retriever.in_own_process(retriever.Point(**{**point, "heads": 7}), folder)


def test_texts_vary_where_they_are_asked_to(retriever):
    lengths = retriever.lengths_of("text", 500, varied=True)
    assert (lengths[0], lengths[1:].min(), lengths.max()) == (0, 1, 32)
    assert set(retriever.lengths_of("image", 500, varied=True)[1:]) == {50}
