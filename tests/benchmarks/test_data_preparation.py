"""Both ways of the benchmark come to the same; ten million rows are for the benchmark itself."""

import pytest


@pytest.fixture
def ratings(benchmark, tmp_path):
    path = tmp_path / "ratings.csv"
    benchmark.generate(path, num_items=60, num_rows=3000)
    return path


def test_the_file_is_in_the_publishers_form(ratings):
    lines = ratings.read_text().splitlines()
    assert len(lines) == 3000
    item, user, rating, time = lines[0].split(",")
    assert (len(item), len(user), rating) == (10, 14, "5.0")
    assert int(time) % 86_400 == 1_100_000_000 % 86_400


def test_both_ways_come_to_the_same_sequences_and_split(benchmark, ratings):
    ours, other = benchmark.ours(ratings), benchmark.with_pandas(ratings)
    assert 0 < ours.interactions < 3000
    assert (ours.users, ours.items, ours.digest) == (other.users, other.items, other.digest)


def found(benchmark, way, digest="a", gigabytes=1.0):
    return benchmark.Found(
        way=way,
        seconds={"read": 1.0, "split": 2.0},
        wall=4.0,
        gigabytes=gigabytes,
        users=1,
        items=2,
        interactions=3,
        digest=digest,
    )


def test_what_is_not_as_it_must_be_is_told(benchmark):
    same = [found(benchmark, "ours"), found(benchmark, "pandas")]
    assert benchmark.verdict(same, 4.0) == []
    assert len(benchmark.verdict([same[0], found(benchmark, "pandas", "b")], 4.0)) == 1
    assert len(benchmark.verdict([found(benchmark, "ours", gigabytes=5.0), same[1]], 4.0)) == 1


def test_the_table_has_a_row_per_way(benchmark):
    lines = benchmark.table([found(benchmark, "ours"), found(benchmark, "pandas")])
    assert lines[1].split() == ["ours", "1.0", "2.0", "3.0", "4.0", "1.00"]
    assert lines[-1] == "Left: 1 users, 2 items, 3 interactions."
