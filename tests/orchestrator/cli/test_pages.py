"""MLflow's own pages in a real browser, as `orch ui` opens them."""

import pytest

pytestmark = pytest.mark.slow
WAIT = 120_000
"""Milliseconds that MLflow's pages may take on a machine with other work."""


@pytest.fixture
def pages(browser, swept, start):
    """The pages of a results folder that was copied there, where `orch ui` opens them."""
    ui = start("ui")
    address = ui.stdout.readline().split()[1]
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.set_default_timeout(WAIT)
    seen = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"
    page.add_init_script(seen)  # its assistant lies over the table at the first visit
    page.goto(address)
    yield page
    page.close()


def test_a_sweep_is_opened_and_its_runs_and_figure_are_seen(pages):
    """The experiment, its sweep unfolded, the runs below it, the sweep's own page, its figure."""
    sweep = pages.get_by_role("link", name="mine", exact=True)
    sweep.wait_for()
    assert pages.get_by_text("best/val/ndcg_at_10").count()
    run = pages.get_by_role("link", name="base seed=0", exact=True)
    assert not run.count()
    pages.get_by_role("row").filter(has=sweep).get_by_role("button").first.click()
    run.wait_for()
    sweep.click()
    pages.get_by_role("listitem").filter(has_text="Best by mean validation NDCG@10").wait_for()
    pages.get_by_text("Artifacts", exact=True).click()
    pages.get_by_text("sasrec-heads.png").first.click()
    figure = pages.locator(
        "img[src^='blob:'], img[src*='get-artifact'], img[src^='data:image/png']"
    )
    figure.first.wait_for()
    assert figure.first.evaluate("img => img.decode().then(() => img.naturalWidth)") > 500
