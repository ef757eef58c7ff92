"""What stands on a study's page, and what must never."""

import base64
import itertools
import re
from dataclasses import replace
from importlib.resources import files

import pytest

from orchestrator.reporting.page import page_of, render
from orchestrator.reporting.page.account import time_text
from orchestrator.reporting.page.pictures import ROWS
from orchestrator.tracking.runs import VariantInfo

HOSTILE = '"><script>alert(1)</script><img src=http://evil.example/x onerror=alert(1)>'
LINKS = "[x](http://evil.example) ![y](http://evil.example/y.png) <http://evil.example>"
PARTS = [
    *("Question", "Verdicts", "Figures", "Tables", "Settings", "Budget", "Failures"),
    *("Versions", "Data set", "Repeat it"),
]


def addresses(seen):
    every = [attributes for _, attributes, _ in seen.elements]
    return [one[key] for one in every for key in ("src", "href", "srcset", "action") if key in one]


def test_the_page_goes_from_the_question_to_the_command(shown):
    seen = shown()
    assert seen.texts("h1") == ["heads-1"]
    assert seen.texts("h2") == PARTS
    assert seen.texts("code") == ["heads", "orch sweep tame --space heads"]
    assert "Sweep, one factor at a time of tame on toys (synthetic data)" in seen.texts("p")
    assert "Best: heads = 2." in seen.texts("li")


def test_headings_are_in_order(shown):
    levels = [int(tag[1]) for tag, _, _ in shown().all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_every_link_within_the_page_leads_somewhere(shown):
    seen = shown()
    names = {attributes["id"] for _, attributes, _ in seen.elements if "id" in attributes}
    within = {address[1:] for address in addresses(seen) if address.startswith("#")}
    assert len(within) == len(PARTS)
    assert within <= names


def test_nothing_is_taken_from_anywhere_else(shown, evidence):
    assert all(address.startswith(("#", "data:")) for address in addresses(shown()))
    css = files("orchestrator.reporting.page").joinpath("page.css").read_text()
    assert not re.search(r"url\(|@import", css)
    assert "default-src 'none'" in render(page_of(evidence))


def test_no_script_is_needed(shown):
    assert not shown().all("script", "iframe", "object", "embed", "link")


@pytest.mark.parametrize("text", [HOSTILE, LINKS])
def test_names_and_reasons_are_text_whatever_they_say(shown, evidence, make_run, info, text):
    run = make_run(text, condition="failed", failure=text, reason=text, origin={"device": text})
    hostile = replace(
        info,
        name=text,
        description=text,
        dataset=text,
        model=text,
        space=text,
        base={text: text},
        factors={text: (text,)},
        variants=(VariantInfo(name=text, changed={text: text}),),
    )
    state = replace(evidence.state, info=hostile, command=text, reason=text, condition="failed")
    cell = text.replace("|", "")
    told = replace(
        evidence.report,
        verdicts=(text,),
        markdown=f"**{cell}**\n\n| {cell} |\n| --- |\n| {cell} |\n\n{cell}",
    )
    seen = shown(
        state=state,
        runs=(run,),
        report=told,
        dataset={text: text},
        changed={text: text},
        problems=(text,),
    )
    assert seen.texts("h1") == [text]
    assert not seen.all("script", "iframe")
    assert all(address.startswith(("#", "data:")) for address in addresses(seen))
    names = {key for _, attributes, _ in seen.elements for key in attributes}
    assert not [name for name in names if name.startswith("on")]


def test_every_figure_says_what_it_shows(shown):
    (picture,) = shown().all("img")
    assert picture[1]["alt"] == (
        "Figure: test metrics against each varied setting, tame on toys (synthetic data); its "
        "numbers are in the table below it"
    )
    assert base64.b64decode(picture[1]["src"].partition(",")[2]).startswith(b"\x89PNG")
    assert int(picture[1]["width"]) == round(2 * 96 * 1.8)


def test_a_figures_numbers_stand_below_it_and_can_be_saved(shown):
    seen = shown()
    numbers, other = [one[1] for one in seen.all("a") if "download" in one[1]]
    assert numbers["download"] == "tame-heads.csv"
    assert base64.b64decode(numbers["href"].partition(",")[2]) == b"x,y\n1,0.123456789\n2,<b>\n"
    assert other["download"] == "other.tex"
    assert {"0.123457", "<b>"} <= set(seen.texts("td"))


def test_many_numbers_are_shown_in_part_and_saved_whole(shown, evidence):
    path = evidence.report.files[2]
    path.write_text("\n".join(["x", *map(str, range(1000, 1000 + ROWS + 1))]))
    seen = shown()
    cells = set(seen.texts("td"))
    assert {"1000", f"{999 + ROWS}"} <= cells
    assert f"{1000 + ROWS}" not in cells
    assert any(f"(the first {ROWS} of {ROWS + 1} rows)" in text for text in seen.texts("caption"))


def test_tables_scroll_in_boxes_that_have_names_and_can_be_reached(shown):
    seen = shown()
    boxes = [one for one in seen.all("div") if one[1].get("class") == "box"]
    assert len(boxes) == len(seen.all("table"))
    assert all(one[1]["tabindex"] == "0" and one[1]["aria-label"] for one in boxes)


def test_a_header_without_text_is_none(shown):
    assert all(text for text in shown().texts("th"))


def test_the_budget_adds_up_what_was_measured(shown, make_run):
    runs = (make_run(), make_run("other", seconds=None, cpu_seconds=None, condition="running"))
    values = shown(runs=runs).texts("dd")
    assert "2 of 4 planned: 1 finished, 1 running" in values
    assert "40.0 s, without 1 runs not measured" in values
    assert "1 min 10 s, without 1 runs not measured" in values


def test_a_study_that_nobody_measured_says_so(shown, make_run):
    assert "not measured" in shown(runs=(make_run(cpu_seconds=None),)).texts("dd")


def test_failures_are_told_with_kind_and_reason(shown, make_run):
    bad = make_run(
        "text_heads=4 seed=0", condition="failed", failure="nan", reason="NaN in epoch 2"
    )
    cut = make_run("text_heads=8 seed=0", condition="killed", reason="interrupted by Ctrl-C")
    seen = shown(runs=(make_run(), bad, cut))
    assert "2 runs: 1 nan, 1 killed." in seen.texts("p")
    assert {"nan", "NaN in epoch 2", "killed", "interrupted by Ctrl-C"} <= set(seen.texts("td"))
    assert "No run failed." in shown().texts("p")


def test_versions_that_differ_are_told_with_their_runs(shown, make_run):
    seen = shown(runs=(make_run(), make_run(origin={"device": "cuda"}), make_run()))
    assert "cpu (2 runs), cuda (1 runs)" in seen.texts("dd")
    assert "2.13" in seen.texts("dd")


def test_settings_are_told_with_all_their_digits(shown, evidence, info):
    state = replace(evidence.state, info=replace(info, base={**info.base, "x": 0.00123456}))
    cells = shown(state=state, changed={"x": 0.00123456}).texts("td")
    assert cells.count("0.00123456") == 2
    assert {"5, 10", "none", "true"} <= set(cells)


def test_what_is_not_finished_is_said_at_the_top(shown, evidence):
    state = replace(evidence.state, condition="stopped", reason="its time was over")
    told = [one[2] for one in shown(state=state).all("p") if one[1].get("class") == "warning"]
    assert told == [
        "This study is not finished (stopped: its time was over): 2 of 4 runs are done."
    ]
    assert not [one for one in shown().all("p") if one[1].get("class") == "warning"]


def test_what_the_page_must_do_without_is_said(shown):
    assert "Left out: the ranks are gone" in shown(problems=("the ranks are gone",)).texts("p")


def test_a_study_without_verdicts_says_so(shown, evidence):
    told = shown(report=replace(evidence.report, verdicts=())).texts("p")
    assert any("passes no verdict" in text for text in told)


def test_data_that_are_gone_have_no_counts(shown):
    assert any("counts are not told" in text for text in shown().texts("p"))
    seen = shown(dataset={"Counts": "60 users"})
    assert "60 users" in seen.texts("dd")
    assert not any("counts are not told" in text for text in seen.texts("p"))


def test_a_study_begun_from_python_has_no_command(shown, evidence):
    told = shown(state=replace(evidence.state, command="")).texts("p")
    assert any("started from Python" in text for text in told)


def test_conditions_of_a_searched_setting_are_told(shown, evidence, info):
    factors = {"model.a": (), "model.b": ("x", "y"), "model.c": ()}
    domains = {
        "model.a": {"low": 0.001, "high": 0.1, "log": True, "when": {"model.b": ("x",)}},
        "model.c": {"choices": (1, 2)},
    }
    searched = replace(info, kind="joint", factors=factors, domains=domains)
    cells = shown(state=replace(evidence.state, info=searched)).texts("td")
    assert {"0.001 to 0.1 (log scale), where model.b = x", "x, y", "1, 2"} <= set(cells)


def test_variants_are_told_with_what_differs(shown, evidence, info):
    variants = (VariantInfo(name="without_text", changed={"model.modalities": ("image",)}),)
    ablation = replace(info, kind="ablation", factors={}, variants=variants)
    seen = shown(state=replace(evidence.state, info=ablation))
    assert {"without text", "model.modalities = image"} <= set(seen.texts("td"))


def test_a_study_of_several_models_without_a_base_has_a_page(shown, evidence, info):
    other = replace(info, kind="diagnosis", factors={}, base={}, model="tame,sasrec")
    seen = shown(state=replace(evidence.state, info=other))
    assert "Diagnosis of tame,sasrec on toys (synthetic data)" in seen.texts("p")
    assert seen.texts("h2") == [part for part in PARTS if part != "Settings"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(59.96, "60.0 s"), (60.0, "1 min 00 s"), (3599.6, "1 h 00 min")]
)
def test_times_are_in_words(seconds, text):
    assert time_text(seconds) == text
