"""What a reader is told: claims, numbers, and whatever they must know of them."""

import pandas as pd
import pytest

from orchestrator.reproduction.claims import claims
from orchestrator.reproduction.declared import find_exhibit
from orchestrator.reproduction.kept import keep, outcomes, place
from orchestrator.reproduction.part import Part, claims_frame, values_frame
from orchestrator.reproduction.report import part_markdown, part_text, write_part
from orchestrator.reproduction.verdict import judge

VARIANTS = ("base", "image_retrieval", "text_retrieval", "intra_retrieval")


@pytest.fixture
def part(mean):
    """Figure 7 of DeCoRec on one of its data sets, or on another, with made-up numbers."""

    def make(name="decorec/fig7", dataset="scientific", **changes):
        exhibit = find_exhibit(name)
        values = {
            (variant, metric): mean(0.1 + place / 10, 0.11 + place / 10)
            for place, variant in enumerate(VARIANTS)
            for metric in exhibit.metrics
        }
        judged = tuple(judge(claim, values) for claim in claims(exhibit, dataset))
        given = {"is_synthetic": False, "num_seeds": 2, "changed": {}, "studies": ("study",)}
        return Part(
            exhibit=exhibit,
            dataset=dataset,
            judged=judged,
            measured=values,
            **{**given, **changes},
        )

    return make


def test_text_has_claims_numbers_and_how_they_were_judged(part):
    text = part_text(part())
    head = "decorec/fig7 on scientific, 2 seeds: 2 reproduced, 2 opposite"
    assert text.startswith(f"{head}\n\nclaim ")
    line = "image retrieval below text retrieval      -  -0.1000 ± 0.0000  reproduced"
    assert line in text
    assert "The paper prints no numbers of this: the claims are what its text says." in text
    assert "not the paper's" not in text


def test_a_stand_in_is_called_so_wherever_there_is_a_verdict(part):
    told = part(dataset="planted", is_synthetic=True)
    assert "decorec/fig7 on planted (synthetic data), 2 seeds" in part_text(told)
    for text in (part_text(told), part_markdown(told)):
        assert "(not the paper's data)" in text
        assert "planted stands in for the paper's data (scientific, arts" in text.replace("\n", " ")
    assert not claims_frame(told)["is_paper_data"].any()


def test_one_seed_and_changed_settings_are_told(part):
    text = part_text(part(num_seeds=1, changed={"train.max_epochs": 2})).replace("\n", " ")
    assert text.startswith(
        "decorec/fig7 on scientific, 1 seed: 2 reproduced, 2 opposite (settings changed) "
    )
    assert "One seed has no interval, so it resolves nothing: add --seeds 3 or more." in text
    assert "With other settings than those chosen for this data set: train.max_epochs = 2." in text


def test_a_data_set_that_the_paper_does_not_name_is_told(part):
    text = part_text(part("decorec/fig4")).replace("\n", " ")
    assert "The paper does not say which data set it shows; scientific is one of its own." in text


def test_frames_hold_the_papers_numbers_beside_ours(part):
    told = part("decorec/table4")
    frame = values_frame(told)
    row = frame[(frame["subject"] == "base") & (frame["metric"] == "hit@10")].iloc[0]
    assert (row["paper"], row["mean"], row["seeds"]) == (0.1779, pytest.approx(0.105), 2)
    unmeasured = frame[frame["subject"] == "without_phase"]
    assert unmeasured["mean"].isna().all()
    found = claims_frame(told)
    assert set(found["verdict"]) == {"not resolved"}
    assert set(found["reason"]) >= {"no run of without phase has finished"}


def test_files_are_written_and_the_outcome_is_found_again(part, tmp_path):
    told, exhibit = part(changed={"train.max_epochs": 2}), find_exhibit("decorec/fig7")
    folder = place(tmp_path, exhibit, "scientific")
    files = write_part(told, folder)
    keep(told, folder)
    assert [path.name for path in files] == ["claims.md", "claims.csv", "values.csv"]
    assert len(pd.read_csv(folder / "claims.csv")) == 4
    (found,) = outcomes(tmp_path, exhibit)
    assert found.text() == (
        "scientific, 2 seeds, with train.max_epochs=2: 2 reproduced, 2 opposite"
    )
    assert outcomes(tmp_path, find_exhibit("decorec/fig8")) == ()


def test_the_papers_own_data_come_first(part, tmp_path):
    exhibit = find_exhibit("decorec/fig7")
    for dataset in ("aaa", "scientific"):
        keep(part(dataset=dataset), place(tmp_path, exhibit, dataset))
    assert [one.dataset for one in outcomes(tmp_path, exhibit)] == ["scientific", "aaa"]
