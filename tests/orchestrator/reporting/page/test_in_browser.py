"""A study's page in a real browser: on a phone, on a screen, in the dark, on paper."""

from dataclasses import replace

import pytest

from orchestrator.reporting.page import page_of, render

pytestmark = pytest.mark.slow
SCREENS = [(390, "light"), (1200, "light"), (1200, "dark")]


@pytest.fixture
def page_file(evidence, make_run, tmp_path):
    """A page with a table that no phone is wide enough for, and many runs."""
    columns = [f"column {number}" for number in range(30)]
    table = [columns, ["---:"] * 30, ["0.1234"] * 30]
    markdown = "\n".join(f"| {' | '.join(row)} |" for row in table)
    bad = make_run("x" * 200, condition="failed", failure="nan", reason="because " * 60)
    full = replace(
        evidence,
        report=replace(evidence.report, markdown=markdown),
        runs=(*[make_run()] * 30, bad),
        state=replace(evidence.state, condition="stopped", command="orch sweep " + "x" * 300),
        dataset={"Counts": "60 users"},
    )
    path = tmp_path / "page.html"
    path.write_text(render(page_of(full)))
    return path


@pytest.fixture
def opened(browser, page_file):
    """Opens the page and hears what it asks for."""
    pages = []

    def open_at(width, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
        pages.append(page)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(page_file.as_uri())
        return page, asked

    yield open_at
    for page in pages:
        page.close()


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_everyone_can_read_it(opened, width, scheme):
    """Axe, which checks contrast, names, order and keyboard, finds nothing to mend."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    page, _ = opened(width, scheme)
    for folded in page.locator("summary").all():
        folded.click()
    found = axe.Axe().run(page).response
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
    assert {"color-contrast", "image-alt", "heading-order"} <= {p["id"] for p in found["passes"]}


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_tables_scroll_and_the_page_does_not(opened, width, scheme):
    page, _ = opened(width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    box = page.get_by_role("region", name="Table 1")
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")
    assert page.locator("img").evaluate("img => img.complete && img.naturalWidth > 0")


def test_only_the_file_itself_is_asked_for(opened, page_file):
    _, asked = opened(1200)
    assert [url for url in asked if not url.startswith("data:")] == [page_file.as_uri()]


def test_the_dark_is_dark(opened):
    colours = [
        opened(390, scheme)[0].evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    ]
    assert colours == ["rgb(255, 255, 255)", "rgb(20, 24, 28)"]


def test_on_paper_everything_is_unfolded_and_links_are_left_out(opened):
    page, _ = opened(1200)
    (folded,) = page.get_by_role("table", include_hidden=True).filter(has_text="Every run").all()
    assert not folded.is_visible()
    page.emulate_media(media="print")
    assert folded.is_visible()
    assert not page.get_by_role("navigation").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")
