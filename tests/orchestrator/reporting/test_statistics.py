import dataclasses

import pytest

from orchestrator.data import open_dataset
from orchestrator.reporting.blocks import block_text
from orchestrator.reporting.statistics import statistics_of, statistics_table


@pytest.fixture
def manifest(data_dir):
    return open_dataset("tiny", data_dir).manifest


def test_statistics_by_hand(manifest):
    found = statistics_of(manifest)
    num = manifest.counts.interactions
    assert (found["num_users"], found["num_items"], found["num_interactions"]) == (60, 40, num)
    assert found["interactions_per_user"] == num / 60
    assert found["interactions_per_item"] == num / 40
    assert found["sparsity_percent"] == pytest.approx(100 * (1 - num / 2400))
    assert found["text_percent"] == 100.0


def test_a_row_per_data_set_and_a_word_on_synthetic_ones(manifest):
    table = statistics_table([manifest])
    head, _, row = block_text(table.blocks[0]).splitlines()
    assert head.split()[:4] == ["data", "set", "users", "items"]
    assert row.split()[:3] == ["tiny", "60", "40"]
    assert "Synthetic data: tiny." in table.notes
    assert table.frame["num_users"].tolist() == [60.0]


def test_what_a_paper_prints_stands_below(manifest):
    manifest = dataclasses.replace(manifest, name="amazon-toys")
    block = statistics_table([manifest], has_published=True).blocks[0]
    assert [section.title for section in block.sections] == ["", "TAME paper, Table I"]
    assert block.sections[1].rows[0][:7] == (
        *("amazon-toys", "19,412", "11,924", "167,597"),
        *("8.63", "14.06", "99.93"),
    )
    assert len(statistics_table([manifest]).blocks[0].sections) == 1
