"""The declarations are whole: every table and figure, and nothing that cannot be run or found."""

import math

import pytest

from orchestrator.errors import ConfigError
from orchestrator.reporting.published import published
from orchestrator.reproduction.claims import claims, printed, subjects
from orchestrator.reproduction.declared import exhibits, find_exhibit, papers, read_paper
from orchestrator.reproduction.standing import how_to_get
from orchestrator.sweep.diagnostics import VIEWS
from orchestrator.sweep.space import read_spaces

TAME = {"fig1", "fig2", "fig3", "fig4", "fig5", "table1", "table2", "table3"}
DECOREC = {*(f"fig{n}" for n in range(1, 10)), *(f"table{n}" for n in range(1, 5))}
NUMBERS = {
    "tame": {"table1": "I", "table2": "II", "table3": "III"},
    "decorec": {"table1": "1", "table2": "2", "table3": "3", "table4": "4", "fig2": "fig2"},
}

every = pytest.mark.parametrize("exhibit", exhibits().values(), ids=lambda one: one.name)


def test_every_table_and_figure_of_both_papers_is_there_and_no_other():
    found = {paper: {e.key for e in exhibits().values() if e.paper == paper} for paper in papers()}
    assert found == {"tame": TAME, "decorec": DECOREC}


def test_every_published_number_belongs_to_an_exhibit_and_the_other_way_round():
    found = {
        paper: {e.key: e.number for e in exhibits().values() if e.paper == paper and e.number}
        for paper in papers()
    }
    assert found == NUMBERS
    frame = published()
    tables = {paper: set(own["table"]) for paper, own in frame.groupby("paper")}
    assert tables == {paper: set(numbers.values()) for paper, numbers in NUMBERS.items()}


@every
def test_what_is_to_be_run_exists(exhibit):
    if exhibit.kind in ("drawing", "statistics"):
        return
    declared = read_spaces(exhibit.model)
    if exhibit.kind == "sweep":
        space = declared.spaces[exhibit.space]
        assert space.kind == "one-factor"
        assert len(space.factors) == 1
    if exhibit.kind == "ablation":
        assert len(subjects(exhibit)) > 1
    if exhibit.kind == "diagnosis":
        assert exhibit.views in VIEWS
    assert exhibit.claims


@every
def test_every_data_set_can_be_got(exhibit):
    for dataset in exhibit.datasets:
        assert how_to_get(dataset).startswith("`orch data get amazon-")


@every
def test_numbers_cover_the_data_sets_and_metrics_of_an_exhibit(exhibit):
    if not exhibit.number:
        return
    rows = published(paper=exhibit.paper, table=exhibit.number)
    assert set(rows["dataset"]) == set(exhibit.datasets)
    stated = {metric for metric in rows["metric"] if "improvement" not in metric}
    assert stated == set(exhibit.metrics)
    if exhibit.kind == "comparison":
        assert set(rows["model"]) == set(exhibit.every_model)
    if exhibit.kind == "ablation":
        assert set(rows["variant"]) == set(subjects(exhibit))


@every
def test_a_claim_without_a_relation_is_in_print_on_every_data_set(exhibit):
    is_printed = [statement.relation is None for statement in exhibit.claims]
    for dataset in exhibit.datasets if any(is_printed) else ():
        paper = printed(exhibit, dataset)
        for claim in claims(exhibit, dataset):
            for subject in claim.subjects:
                assert (subject, claim.metric) in paper
            own = paper[claim.first[0], claim.metric] - paper[claim.second[0], claim.metric]
            assert claim.printed == pytest.approx(own)
            assert claim.relation == ("above" if own > 0 else "below")


@every
def test_sides_of_a_claim_are_subjects_of_its_exhibit(exhibit):
    known = {
        "sweep": lambda: set(map(str, [1, 2, 4, 8, 16])),
        "ablation": lambda: set(subjects(exhibit)),
        "comparison": lambda: set(subjects(exhibit)),
    }
    for dataset in exhibit.datasets:
        for claim in claims(exhibit, dataset):
            if exhibit.kind in known:
                assert set(claim.subjects) <= known[exhibit.kind]()


def test_counts_of_claims_are_those_of_the_papers_tables():
    def num(name):
        exhibit = find_exhibit(name)
        return sum(len(claims(exhibit, dataset)) for dataset in exhibit.datasets)

    assert num("tame/table2") == 3 * 6 * 12
    assert num("tame/table3") == 3 * 2 * 4
    assert num("decorec/table2") == 5 * 4 * 6
    assert num("decorec/table4") == 2 * 2 * 6


def test_a_printed_number_against_the_papers_own_text_is_claimed_as_printed():
    """TAME's text says every variant is worse; without ID enrichment beauty's recall is better."""
    found = {
        (claim.first, claim.metric): claim.relation
        for claim in claims(find_exhibit("tame/table3"), "beauty")
    }
    assert found[("without_id_enrichment",), "recall@20"] == "above"
    assert found[("without_id_enrichment",), "ndcg@20"] == "below"


def test_a_stand_in_has_the_claims_that_all_of_the_papers_data_sets_agree_in():
    found = {(c.first, c.metric): c for c in claims(find_exhibit("tame/table3"), "planted")}
    assert (("without_id_enrichment",), "recall@20") not in found
    text = found[("without_text",), "recall@20"]
    assert text.relation == "below"
    assert math.isnan(text.printed)
    assert len(found) == 7


def test_an_unknown_exhibit_offers_a_near_one():
    with pytest.raises(ConfigError) as caught:
        find_exhibit("decorec/tabel4")
    assert str(caught.value) == (
        "There is no table or figure `decorec/tabel4`. Did you mean `decorec/table4`? "
        "`orch reproduce --list` shows all."
    )


HEAD = 'name = "N"\ntitle = "T"\nencoders = {}\n[exhibits.fig1]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not toml", "new.toml: is not TOML: "),
        (
            f'{HEAD}label = "F"\nkind = "poster"\nabout = "A"\n',
            "new.toml: `exhibits.fig1.kind`: Input should be ",
        ),
        (
            f'{HEAD}label = "F"\nkind = "sweep"\nabout = "A"\nmetric = ["x"]\n',
            "new.toml: `exhibits.fig1.metric`: Unexpected keyword argument",
        ),
    ],
)
def test_a_file_that_cannot_be_is_one_sentence(tmp_path, text, message):
    path = tmp_path / "new.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_paper(path)
    assert str(caught.value).startswith(message)


def test_a_claim_whose_number_nobody_printed_needs_a_relation(tmp_path):
    path = tmp_path / "decorec.toml"
    path.write_text(
        f'{HEAD}label = "F"\nkind = "ablation"\nabout = "A"\nmodel = "decorec"\n'
        'variants = "fusion"\ndatasets = ["scientific"]\nmetrics = ["hit@10"]\nnumber = "4"\n'
        'claims = [{ first = "id_only", second = "base" }]\n'
    )
    (exhibit,) = read_paper(path)
    with pytest.raises(ConfigError) as caught:
        claims(exhibit, "scientific")
    assert str(caught.value) == (
        "decorec.toml: fig1: `relation` is missing, and published.csv has no hit@10 of id only, "
        "base on scientific."
    )
