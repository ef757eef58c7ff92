"""What a lost node leaves, and how another goes on from it, on every kind of storage."""

import shutil
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest

from orchestrator.data import open_dataset
from orchestrator.errors import ConfigError, StoreError
from orchestrator.results import first_stage_id, read_record
from orchestrator.sweep import budget, url_storage
from orchestrator.sweep.budget import NEVER
from orchestrator.sweep.objective import RANKS, WEIGHTS, run_folder, run_trial
from orchestrator.sweep.ray import driver_files, nodes
from orchestrator.sweep.storage import RECORD, Mirror, collect, in_order, offer, whole
from orchestrator.sweep.url_storage import UrlStorage
from orchestrator.training.checkpoint import Checkpoints

RUN = "0123456789abcdef"
NUM_EPOCHS = 4


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Waits of a test, not of a network; the actor is called as what it is, an object."""
    monkeypatch.setattr(url_storage, "RETRY_SECONDS", (0.0,))
    monkeypatch.setattr(url_storage, "SETTLE_SECONDS", 0.02)
    monkeypatch.setattr(driver_files, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(driver_files, "PIECE", 1000)
    monkeypatch.setattr(driver_files, "ask", lambda method, *words, **more: method(*words, **more))


@pytest.fixture(params=["driver", "file", "memory"])
def new_storage(request, tmp_path):
    """Makes views of one and the same storage, as several processes have them."""
    name = uuid.uuid4().hex

    def make(holder="a" * 32):
        if request.param == "driver":
            files = driver_files.DriverFiles(tmp_path / "driver", tmp_path / "data")
            return driver_files.DriverStorage(files)
        shared = (tmp_path / "shared").as_uri()
        url = f"memory://{name}" if request.param == "memory" else f"{shared}/my runs"
        return UrlStorage(url, holder=holder)

    return make


@pytest.fixture
def storage(new_storage):
    return new_storage()


def write(folder, **files):
    """Files by their name with ``/`` as ``__`` and their content."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_json", ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


EPOCH = {"checkpoints__epoch-1__model": "w" * 3000, "checkpoints__epoch-1__progress_json": "1"}


def test_what_is_saved_on_one_node_is_brought_to_another(storage, tmp_path):
    write(tmp_path / "one", **EPOCH, checkpoints__trace="", checkpoints__big="b" * 2000)
    Mirror(storage, RUN, tmp_path / "one").save()
    assert Mirror(storage, RUN, tmp_path / "two").bring() is None
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    assert not storage.names("f" * 16)


def test_what_is_gone_here_goes_there(storage, tmp_path):
    mirror = Mirror(storage, RUN, tmp_path / "one")
    write(tmp_path / "one", **EPOCH)
    mirror.save()
    for path in (tmp_path / "one" / "checkpoints" / "epoch-1").iterdir():
        path.unlink()
    write(tmp_path / "one", weights="w")
    mirror.save()
    assert storage.names(RUN) == {"weights"}


def test_a_draft_or_a_lock_stays_here(storage, tmp_path):
    write(tmp_path / "one", **{".lock": "", "checkpoints__.epoch-2__model": "half"}, **EPOCH)
    Mirror(storage, RUN, tmp_path / "one").save()
    assert storage.names(RUN) == {"checkpoints/epoch-1/model", "checkpoints/epoch-1/progress.json"}


@pytest.mark.parametrize("num_done", [0, 1, 2])
def test_a_node_lost_while_it_saves_leaves_the_epoch_before(
    new_storage, tmp_path, monkeypatch, num_done
):
    """Whatever has been put of the new epoch by then."""
    storage = new_storage()
    mirror = Mirror(storage, RUN, tmp_path / "one")
    write(tmp_path / "one", **EPOCH)
    mirror.save()
    before = contents(tmp_path / "one")
    second = {name.replace("epoch-1", "epoch-2"): text for name, text in EPOCH.items()}
    write(tmp_path / "one", **second, **{"checkpoints__epoch-2__optimizer": "o"})
    put, done = storage.put, []

    def lost(*words):
        if len(done) == num_done:
            raise KeyboardInterrupt
        done.append(put(*words))

    monkeypatch.setattr(storage, "put", lost)
    with pytest.raises(KeyboardInterrupt):
        mirror.save()
    Mirror(new_storage(), RUN, tmp_path / "two").bring()
    assert contents(tmp_path / "two") == before


def test_a_finished_run_in_the_drivers_folder_has_no_draft_of_a_lost_node(tmp_path):
    files = driver_files.DriverFiles(tmp_path / "driver", tmp_path / "data")
    files.write(RUN, "checkpoints/epoch-9/model", b"half", offset=0)
    mirror = Mirror(driver_files.DriverStorage(files), RUN, tmp_path / "one")
    write(tmp_path / "one", **EPOCH)
    mirror.save()
    shutil.rmtree(tmp_path / "one" / "checkpoints")
    write(tmp_path / "one", weights="w")
    mirror.save()
    assert [path.name for path in run_folder(tmp_path / "driver", RUN).iterdir()] == ["weights"]


def test_what_others_count_by_is_put_last():
    names = ["record.json", "a/epoch-1/progress.json", "z", "a/epoch-1/x", "b"]
    assert in_order(names) == ["a/epoch-1/x", "b", "z", "a/epoch-1/progress.json", "record.json"]
    assert whole(names[2:]) == {"z", "b"}


@pytest.fixture
def train(make_study, data_dir, base):
    """Runs the first run of a study with the storage; may be lost after some epochs."""
    dataset = open_dataset("tiny", data_dir)
    study = make_study("train.patience = {choices = [9]}", data_hash=dataset.data_hash, seeds=(0,))
    run = study.runs({"train.max_epochs": NUM_EPOCHS})[0]

    def on_node(storage, folder, lost_after=None):
        def heard(epoch):
            if epoch.step == lost_after:
                raise KeyboardInterrupt

        how = {"device": "cpu", "on_epoch": heard, "limit": None}
        return nodes._mirrored(run, dataset, storage, folder, NEVER, how)

    return run, dataset, on_node


def test_a_run_of_a_lost_node_goes_on_elsewhere_to_the_same_bits(
    new_storage, tmp_path, train, comparable
):
    run, dataset, on_node = train
    with pytest.raises(KeyboardInterrupt):
        on_node(new_storage(), tmp_path / "one", lost_after=2)
    storage = new_storage()
    Mirror(storage, run.run_id, tmp_path / "look").bring()
    assert Checkpoints(tmp_path / "look" / "checkpoints").latest().step == 2
    record = on_node(storage, tmp_path / "two")
    alone = run_trial(run.config, dataset, results=tmp_path / "alone", device="cpu")
    assert comparable(record) == comparable(alone)
    assert len(record.epochs) == NUM_EPOCHS
    assert storage.names(run.run_id) == {RECORD, WEIGHTS, RANKS}
    collect(storage, run.run_id, run_folder(tmp_path / "driver", run.run_id))
    for name in (WEIGHTS, RANKS):
        ours, theirs = (run_folder(tmp_path / n, run.run_id) / name for n in ("driver", "alone"))
        assert ours.read_bytes() == theirs.read_bytes()


def test_a_run_that_is_finished_is_not_trained_again(
    storage, tmp_path, train, monkeypatch, comparable
):
    run, _, on_node = train
    record = on_node(storage, tmp_path / "one")
    monkeypatch.setattr(budget, "run_trial", pytest.fail)
    assert comparable(on_node(storage, tmp_path / "two")) == comparable(record)
    assert storage.names(run.run_id) == {RECORD, WEIGHTS, RANKS}


def test_a_failure_is_kept_and_tried_again(storage, tmp_path, train, monkeypatch):
    run, _, on_node = train
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orchestrator.sweep.objective.train", lambda *_, **__: 1 / 0)
        assert on_node(storage, tmp_path / "one").status == "failed"
    collect(storage, run.run_id, tmp_path / "look")
    assert read_record(tmp_path / "look" / RECORD).reason.startswith("ZeroDivisionError")
    assert on_node(storage, tmp_path / "two").status == "finished"
    collect(storage, run.run_id, tmp_path / "look")
    assert read_record(tmp_path / "look" / RECORD).status == "finished"


def test_a_storage_that_is_gone_is_a_failed_run(tmp_path, train, data_dir):
    run, dataset, _ = train
    (tmp_path / "file").write_text("no folder")
    remote = nodes.Remote(None, "", data_dir, "a" * 32, (tmp_path / "file" / "x").as_uri())
    record = nodes.train_on_node(run, dataset, remote, device="cpu", on_epoch=None)
    assert record.status == "failed"
    assert "the storage cannot be used" in record.reason


def test_what_the_driver_has_of_a_run_is_offered_once(storage, tmp_path):
    write(tmp_path / "one", **EPOCH)
    offer(storage, RUN, tmp_path / "one")
    offer(storage, "f" * 16, tmp_path / "nothing")
    write(tmp_path / "one", weights="newer")
    offer(storage, RUN, tmp_path / "one")
    assert len(storage.names(RUN)) == 2
    assert not storage.names("f" * 16)


def test_a_first_stage_that_is_done_is_brought(storage, tmp_path, data_dir):
    """DeCoRec's second stage needs the weights of its first."""
    from orchestrator.config import default_trial

    first = first_stage_id(default_trial("decorec", "tiny"), "d" * 16)
    write(tmp_path / "one", **{WEIGHTS: "w", RECORD: "{}", RANKS: "r"})
    Mirror(storage, first, tmp_path / "one").save()
    nodes._bring_first_stage(storage, first, tmp_path / "two")
    assert set(contents(tmp_path / "two")) == {WEIGHTS, RECORD}
    nodes._bring_first_stage(storage, RUN, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_two_sweeps_never_train_a_run_at_once(new_storage):
    one, other = new_storage("a" * 32), new_storage("b" * 32)
    inside, most = [], []

    def work(storage):
        with storage.held(RUN):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.2)
            inside.pop()

    with ThreadPoolExecutor() as pool:
        list(pool.map(work, [one, other]))
    assert most == [1, 1]


def test_a_sweep_takes_its_lost_workers_run_over_at_once(new_storage):
    storage = new_storage()
    lost = storage.held(RUN)
    lost.__enter__()  # and the worker is gone without a word
    started = time.monotonic()
    with storage.held(RUN):
        assert time.monotonic() - started < 5


def test_a_lease_that_stands_still_is_taken(monkeypatch):
    """Of a sweep that was killed; one that is renewed is waited for."""
    monkeypatch.setattr(url_storage, "LEASE_SECONDS", 0.3)
    name = uuid.uuid4().hex
    files = fsspec.filesystem("memory")
    files.pipe_file(f"/{name}/leases/{RUN}", b"b" * 32 + b" 7")
    started = time.monotonic()
    with UrlStorage(f"memory://{name}", holder="a" * 32).held(RUN):
        assert time.monotonic() - started > 0.3
        assert files.cat_file(f"/{name}/leases/{RUN}").startswith(b"a" * 32)
    assert not files.exists(f"/{name}/leases/{RUN}")


def test_the_actor_reads_and_writes_below_its_folders_alone(tmp_path):
    files = driver_files.DriverFiles(tmp_path / "results", tmp_path / "data")
    (tmp_path / "secret").write_text("x")
    for call in (
        lambda: files.read(RUN, "../../../secret", 0),
        lambda: files.read_data("tiny", "../../secret", 0),
        lambda: files.write(RUN, "../../../secret", b"", offset=0),
        lambda: files.remove(RUN, "../../../secret"),
    ):
        with pytest.raises(StoreError, match="leads out of"):
            call()
    assert (tmp_path / "secret").read_text() == "x"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nosuch://me:secret@host/x", "--storage: nosuch://***@host/x cannot be used: "),
        ("nosuch://host/x?token=hush", "--storage: nosuch://host/x?token=*** cannot be used: "),
    ],
)
def test_a_url_that_nothing_can_open_is_one_sentence_without_its_secrets(url, message):
    with pytest.raises(ConfigError) as refused:
        UrlStorage(url, holder="a" * 32)
    assert str(refused.value).startswith(message)
    assert "secret" not in str(refused.value)
    assert "hush" not in str(refused.value)


def test_a_storage_that_cannot_be_written_is_told_before_the_start(tmp_path):
    (tmp_path / "file").write_text("no folder")
    storage = UrlStorage((tmp_path / "file").as_uri(), holder="a" * 32)
    with pytest.raises(StoreError, match=r"the storage cannot be used .*Check --storage"):
        storage.check()
    fine = UrlStorage((tmp_path / "new").as_uri(), holder="a" * 32)
    fine.check()
    assert not [path for path in Path(tmp_path / "new").rglob("*") if path.is_file()]
