"""`orch report`, as it is typed."""


def test_a_report_says_where_it_is(orch, swept):
    done = orch("report", "mine")
    assert (done.code, done.err) == (0, "")
    assert done.out == "Report: results/sweeps/mine/report.html (0.1 MB)\n"
    assert "<h1>mine</h1>" in (swept / "sweeps" / "mine" / "report.html").read_text()


def test_a_report_of_an_unknown_study_is_one_sentence(orch, swept, place):
    done = orch("report", "mime", "--output", "page.html")
    assert done.code == 2
    assert done.err.endswith("There is no sweep `mime`. Did you mean `mine`?\n")
    assert not (place / "page.html").exists()
