"""Which data sets there are, and where."""

from pathlib import Path

import pytest

from orchestrator.data import (
    Content,
    data_folder,
    dataset_names,
    describe,
    open_dataset,
    write_dataset,
)
from orchestrator.errors import DataError


def test_folder_is_the_option_then_the_variable_then_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("ORCH_DATA", raising=False)
    assert data_folder() == tmp_path / "home" / ".cache" / "orch" / "data"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert data_folder() == tmp_path / "cache" / "orch" / "data"
    monkeypatch.setenv("ORCH_DATA", str(tmp_path / "chosen"))
    assert data_folder() == tmp_path / "chosen"
    assert data_folder(tmp_path / "option") == tmp_path / "option"


def test_planted_is_listed_before_it_exists(tmp_path: Path) -> None:
    (planted,) = describe(tmp_path / "nowhere")
    assert (planted.name, planted.synthetic, planted.counts) == ("planted", True, None)
    assert planted.note == "generated on first use"


def test_stored_data_sets_are_listed_with_counts_and_forms(
    content: Content, tmp_path: Path
) -> None:
    write_dataset(content, tmp_path / "tiny")
    (tmp_path / "no-data-set").mkdir()
    (tmp_path / ".half.draft").mkdir()
    (tmp_path / ".half.draft" / "manifest.json").write_text("{}")
    assert dataset_names(tmp_path) == ("planted", "tiny")
    tiny = describe(tmp_path)[1]
    assert tiny.counts is not None
    assert tiny.counts.interactions == 9
    assert tiny.modalities == ("image (pooled)", "text (tokens)")
    assert not tiny.synthetic


def test_a_damaged_data_set_does_not_hide_the_others(content: Content, tmp_path: Path) -> None:
    write_dataset(content, tmp_path / "tiny")
    write_dataset(content, tmp_path / "torn")
    (tmp_path / "torn" / "manifest.json").write_text("{")
    _, tiny, torn = describe(tmp_path)
    assert tiny.counts is not None
    assert torn.counts is None
    assert "is damaged: it is not JSON" in torn.note


def test_an_unknown_name_offers_a_near_one(content: Content, tmp_path: Path) -> None:
    write_dataset(content, tmp_path / "scientific")
    with pytest.raises(DataError, match=r"no data set `sientific`. Did you mean `scientific`\?"):
        open_dataset("sientific", tmp_path)
    assert open_dataset("scientific", tmp_path).num_items == 4
