"""``orch data info`` and ``orch data check``, and the list of ``orch data get``."""

import re
import shutil


def test_info_tells_what_a_data_set_holds(orch):
    done = orch("data", "info", "tiny")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith("tiny (synthetic): 60 users, 40 items, ")
    assert re.match(r"sparsity   \d+\.\d{3}%, \d+ repeated pairs", lines[1])
    assert lines[2].startswith("evaluated  60 users; ")
    header = next(line for line in lines if line.startswith("interactions  "))
    assert header.split() == [
        *("interactions", "mean", "least", "10%", "25%", "median", "75%", "90%", "99%", "most")
    ]
    assert "text tokens: " in done.out
    assert re.search(r"^data hash  [0-9a-f]{16}$", done.out, re.MULTILINE)


def test_info_draws_lengths_and_popularity(orch, place):
    done = orch("data", "info", "tiny", "--plot", "figures")
    assert done.code == 0
    for suffix in ("pdf", "png", "csv"):
        path = f"figures/tiny-data.{suffix}"
        assert f"{suffix.upper()}: {path}" in done.out
        assert (place / path).stat().st_size > 0
    assert (place / "figures/tiny-data.csv").read_text().startswith("what,interactions,count\n")


def test_check_calls_a_sound_data_set_sound(orch):
    done = orch("data", "check", "tiny")
    assert (done.code, done.err) == (0, "")
    assert all(line.startswith("ok") for line in done.out.splitlines())


def test_check_says_what_is_damaged_and_exits_with_1(orch, place, data_dir):
    folder = shutil.copytree(data_dir / "tiny", place / "sets" / "tiny")
    path = folder / "users.parquet"
    path.write_bytes(path.read_bytes()[::-1])
    done = orch("data", "check", "tiny", "--data-dir", place / "sets")
    assert done.code == 1
    first, second = done.out.splitlines()[:2]
    assert first.startswith("WRONG  files: ")
    assert second == "       users.parquet: its SHA-256 is not the manifest's"
    assert done.out.endswith("tiny is damaged: make it anew, with --overwrite.\n")


def test_get_lists_what_can_be_had(orch):
    done = orch("data", "get")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == (
        "amazon-2014/beauty: stored as beauty; 22,363 users, 12,101 items, 198,502 interactions "
        "(TAME, Table I)"
    )
    assert len(done.out.splitlines()) == 10


def test_get_refuses_what_it_does_not_know_before_it_asks_for_anything(orch, place):
    for words, told in (
        (["amazon/beauty"], "There is no source `amazon/beauty`"),
        (["amazon-2014/beauty", "--timeout", 0], "--timeout: cannot be 0.0"),
        (["amazon-2014/beauty", "--name", "planted"], "--name: cannot be 'planted'"),
        (["movielens-1m", "--image-encoder", "x"], "movielens-1m comes without pictures"),
    ):
        done = orch("data", "get", *words, "--data-dir", place / "sets")
        assert (done.code, done.out) == (2, ""), words
        assert told in done.err
    assert not (place / "sets").exists()
