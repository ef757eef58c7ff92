import pytest

from orchestrator.api import pages


@pytest.fixture
def served(monkeypatch):
    """Hosts that pages are served on."""
    hosts = []
    monkeypatch.setattr(pages, "serve", lambda *_, host, **__: hosts.append(host))
    return hosts


def test_pages_are_for_this_machine_alone_and_nothing_is_said(served, tmp_path):
    pages.ui(results=tmp_path, on_ready=print, on_problem=pytest.fail)
    assert served == ["127.0.0.1"]


def test_pages_for_the_network_are_warned_of_in_one_line(served, tmp_path):
    told = []
    pages.ui(results=tmp_path, host="0.0.0.0", on_ready=print, on_problem=told.append)
    assert served == ["0.0.0.0"]
    assert told == [
        "--host 0.0.0.0: everyone on the network can read and write these runs, without a password."
    ]
