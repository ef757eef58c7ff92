"""A node's own copy of a data set: written once, checked, never the driver's files."""

import pytest
import torch

from orchestrator import api
from orchestrator.data.manifest import file_hash
from orchestrator.digest import whole_digest
from orchestrator.errors import DataError
from orchestrator.sweep.ray import driver_files, nodes
from orchestrator.sweep.ray.nodes import Remote, dataset_on_node, difference


class Here:
    """What Ray tells of the node that this process is on."""

    def get_node_id(self):
        return "worker's"


@pytest.fixture
def world(tmp_path):
    """The driver's data set, alone in its folder, with a file that is no picture of anything."""
    return api.make_planted("small", num_users=60, num_items=40, data_dir=tmp_path / "driver")


@pytest.fixture
def node(tmp_path, monkeypatch, world):
    """Opens the data set as a new process of one node does; notes the files that were asked for."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "node"))
    monkeypatch.setattr(nodes.ray, "get_runtime_context", Here)
    asked = []

    def ask(method, *words):
        asked.append(words)
        return method(*words)

    monkeypatch.setattr(driver_files, "ask", ask)
    monkeypatch.setattr(nodes, "ask", ask)
    monkeypatch.setattr(driver_files, "PIECE", 1000)
    files = driver_files.DriverFiles(tmp_path / "results", tmp_path / "driver")

    def open_in_process(sweep="a", driver="driver's"):
        dataset_on_node.cache_clear()
        asked.clear()
        remote = Remote(files, driver, tmp_path / "driver", sweep, None)
        return dataset_on_node("small", world.data_hash, remote)

    open_in_process.asked = asked
    return open_in_process


def test_a_node_has_a_copy_of_its_own_in_its_own_cache(node, world, tmp_path):
    dataset = node()
    assert dataset.folder.is_relative_to(tmp_path / "node")
    assert dataset.data_hash == world.data_hash
    assert dataset.split.test.users.tolist() == world.split.test.users.tolist()
    ours, theirs = dataset.modalities(), world.modalities()
    assert torch.equal(ours["text"].tokens.values, theirs["text"].tokens.values)
    assert len(node.asked) > len(world.manifest.files), "large files came in pieces"


def test_it_is_written_once_and_checked_once_per_sweep(node, monkeypatch):
    node()
    checked = []
    monkeypatch.setattr(nodes, "check_files", lambda *_, verify: checked.append(verify))
    node()
    node("b")
    node("b")
    assert (node.asked, checked) == ([], [False, True, False])


def test_a_damaged_copy_is_written_anew(node):
    folder = node().folder
    (path,) = folder.glob("features/text.tokens.npy")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert node("another sweep").folder == folder
    assert path.read_bytes() == content
    path.unlink()
    node("another sweep")
    assert path.read_bytes() == content


def test_a_file_that_is_not_the_manifests_is_refused_and_nothing_is_left(node, world):
    path = world.folder / "interactions.parquet"
    path.write_bytes(b"\0" * path.stat().st_size)
    with pytest.raises(DataError, match="its SHA-256 is not the manifest's"):
        node()
    dataset_on_node.cache_clear()
    assert not list(nodes.node_cache().rglob("*.parquet"))


def test_on_the_drivers_own_machine_nothing_is_copied(node, world):
    assert node(driver="worker's").folder == world.folder
    assert node.asked == []


def test_pictures_are_not_copied(node, world, tmp_path):
    """Nothing that trains reads them, and they may be larger than all the rest."""
    from dataclasses import replace

    from orchestrator.data.manifest import FileEntry, write_manifest

    picture = world.folder / "images" / "1.png"
    picture.parent.mkdir()
    picture.write_bytes(b"picture")
    entry = FileEntry(bytes=7, sha256=file_hash(picture))
    manifest = replace(world.manifest, files={**world.manifest.files, "images/1.png": entry})
    write_manifest(world.folder, manifest)
    dataset = node()
    assert dataset.data_hash == manifest.data_hash
    assert not (dataset.folder / "images").exists()
    assert dataset.catalogue().num_items == world.num_items


def test_what_differs_on_a_worker_is_named():
    code = whole_digest()
    assert difference("d", code=code, data_hash="d") is None
    assert difference("d", code="other", data_hash="e") == (
        f"this worker's code (digest {code}) is not the driver's (other). "
        "Install the same on every machine."
    )
    assert "data set (hash d) is not the driver's (e)" in difference("d", code=code, data_hash="e")
