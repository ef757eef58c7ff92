import socket

import pytest

from orchestrator.errors import StoreError
from orchestrator.tracking import Tracker, tracking_uri
from orchestrator.tracking.store import scrubbed, shown


def test_default_store_is_a_file_in_the_results_folder(tmp_path):
    assert tracking_uri(None, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"


def test_option_wins_over_environment_wins_over_default(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example")
    assert tracking_uri(None, tmp_path) == "http://tracking.example"
    assert tracking_uri("http://other.example", tmp_path) == "http://other.example"


def test_unreachable_server_is_one_sentence_and_quick(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(StoreError) as refused:
            Tracker(f"http://me:secret@127.0.0.1:{port}", tmp_path)
    assert str(refused.value) == (
        f"http://***@127.0.0.1:{port}: the tracking store cannot be reached (Connection refused). "
        "Start the server, or leave MLFLOW_TRACKING_URI unset to use a local file."
    )


def test_unreachable_database_server_is_not_retried_for_minutes(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(StoreError, match="cannot be reached"):
            Tracker(f"postgresql://me:secret@127.0.0.1:{port}/mlflow", tmp_path)


def test_results_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"file.*: cannot be written .*Choose another --results"):
        Tracker(tracking_uri(None, tmp_path), tmp_path / "file" / "results")


def test_file_that_is_no_database_is_refused_and_kept(tmp_path):
    database = tmp_path / "mlflow.db"
    database.write_text("not a database " * 100)
    with pytest.raises(StoreError, match=r"mlflow\.db: cannot be read as a database"):
        Tracker(tracking_uri(None, tmp_path), tmp_path)
    assert database.read_text().startswith("not a database")


def test_a_file_store_is_refused_in_our_words(tmp_path):
    with pytest.raises(StoreError, match="choose another by MLFLOW_TRACKING_URI"):
        Tracker((tmp_path / "mlruns").as_uri(), tmp_path)


def test_messages_hide_passwords():
    assert shown("postgresql://me:secret@host/db") == "postgresql://***@host/db"
    assert shown("sqlite:////home/me/mlflow.db") == "sqlite:////home/me/mlflow.db"
    assert shown("mysql://host/db?user=me&password=hush&x=1") == (
        "mysql://host/db?user=me&password=***&x=1"
    )
    assert shown("s3://bucket/a?access_key=k;secret-key=s#part") == (
        "s3://bucket/a?access_key=***;secret-key=***#part"
    )


def test_what_a_library_says_of_a_store_hides_its_password():
    uri = "postgresql://me:se%20cret@host/db?sslkey=/hush"
    text = f"cannot open {uri}: password 'se cret' or se%20cret is wrong, key /hush too"
    assert scrubbed(text, uri) == (
        "cannot open postgresql://***@host/db?sslkey=***: "
        "password '***' or *** is wrong, key *** too"
    )
    assert scrubbed("plain", "sqlite:///x.db") == "plain"


def test_a_store_that_fails_does_not_tell_its_password(tmp_path):
    """SQLAlchemy and MLflow put the whole URI into their messages."""
    for uri in ("nosuch://me:secret@host/db", "file://me:secret@host/db"):
        with pytest.raises(StoreError) as refused:
            Tracker(uri, tmp_path)
        assert "secret" not in str(refused.value)
