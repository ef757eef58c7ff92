"""What cannot be is refused before anything starts: exit 2, one sentence, nothing written."""

import pytest

SWEEP = ("sweep", "sasrec", "--space", "heads", "--dataset", "tiny")
JOINT = ("sweep", "sasrec", "--space", "joint", "--dataset", "tiny")
ABLATE = ("ablate", "tame", "--dataset", "tiny")
COMPARE = ("compare", "sasrec", "gru4rec", "--dataset", "tiny")


def refuse(done, sentence, place):
    assert (done.code, done.out, done.err) == (2, "", f"orch: {sentence}\n")
    written = [path for path in (place / "results").rglob("*") if path.is_file()]
    assert written == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("sweep", "sasrc", "--space", "heads", "--dataset", "tiny"),
            "There is no model `sasrc`. Did you mean `sasrec`?",
        ),
        (
            ("sweep", "sasrec", "--space", "haeds", "--dataset", "tiny"),
            "There is no space of sasrec `haeds`. Did you mean `heads`?",
        ),
        (
            (*SWEEP, "--set", "train.patince=3"),
            "--set: There is no key `train.patince`. Did you mean `train.patience`?",
        ),
        (
            (*SWEEP, "--set", "train.patience"),
            "--set: `train.patience` is not KEY=VALUE. Write for example train.patience=5.",
        ),
        (
            (*SWEEP, "--set", "train.patience=few"),
            "--set: `train.patience` cannot be 'few': it should be a valid integer.",
        ),
        (
            (*SWEEP, "--set", "model.dim=6"),
            "sasrec.toml: [spaces.heads]: [model] `num_heads` cannot be 4: "
            "it must divide `dim` = 6.",
        ),
        ((*SWEEP, "--seeds", "0"), "--seeds cannot be 0: it must be at least 1."),
        (
            (*JOINT, "--executor", "local", "--scheduler", "asha"),
            "--scheduler cannot be asha with --executor local: schedulers are Ray Tune's. "
            "Use --executor ray, or leave it out.",
        ),
        (
            (*SWEEP, "--sampler", "gp"),
            "--sampler cannot be gp with space heads: nothing is searched in a one-factor space, "
            "all its points are run. Use it with a joint one.",
        ),
        (
            (*JOINT, "--sampler", "grid"),
            "--sampler cannot be grid with space joint: `model.dropout` is a range, which has no "
            "list of values. Give it `choices`, or use another sampler.",
        ),
        (
            (*JOINT, "--objectives", "ndcg,second"),
            "--objectives: There is no objective `second`. Did you mean `seconds`?",
        ),
        (
            (*JOINT, "--objectives", "ndcg,seconds", "--scheduler", "median"),
            "--scheduler cannot be median with --objectives ndcg,seconds: runs are ended early by "
            "validation NDCG@10 alone. Leave one of them out.",
        ),
        ((*SWEEP, "--trials", "0"), "--max-trials cannot be 0: it must be at least 1."),
        ((*SWEEP, "--max-trials", "0"), "--max-trials cannot be 0: it must be at least 1."),
        (
            (*SWEEP, "--max-time", "2"),
            "--max-time cannot be '2': it must be a duration above 0. "
            "Write for example 2h, 90m, 3600s or 1h30m.",
        ),
        (
            (*SWEEP, "--trial-time", "soon"),
            "--trial-time cannot be 'soon': it must be a duration above 0. "
            "Write for example 2h, 90m, 3600s or 1h30m.",
        ),
        (
            (*SWEEP, "--until-resolved"),
            "--until-resolved cannot be used with --seeds 3: seeds are added one by one after the "
            "first 3. Allow more, such as --seeds 10.",
        ),
        (
            (
                *SWEEP,
                "--set",
                "model.dropout=0",
                "--set",
                "train.max_epochs=1",
                "--plan",
                "--name",
                "a/b",
            ),
            "--name cannot be 'a/b': it names a folder. Use letters, digits, `-`, `_`, `.`.",
        ),
        (
            (*ABLATE, "--max-trials", "1"),
            "--max-trials cannot be 1: the base counts, and is compared with one variant or more.",
        ),
        ((*SWEEP, "--workers", "0"), "--workers cannot be 0: it must be at least 1."),
        ((*SWEEP, "--threads", "-1"), "--threads cannot be -1: it must be at least 1."),
        (
            (*SWEEP, "--max-epochs", "0"),
            "--set: [train] `max_epochs` cannot be 0: it must be at least 1.",
        ),
        (
            (*SWEEP, "--device", "cudaa"),
            "--device cannot be cudaa: it is not here. Use auto or cpu.",
        ),
        (
            (*SWEEP, "--device", "cpu", "--gpus-per-trial", "1000"),
            "--gpus-per-trial cannot be 1000: it must be between 0 and the 0 that are here.",
        ),
        (
            (*SWEEP, "--gpus-per-trial", "many"),
            "--gpus-per-trial cannot be 'many': it must be a number, such as 0.25, or auto.",
        ),
        (
            (*SWEEP, "--storage", "s3://bucket/runs"),
            "--storage: is for a cluster (--address); on one machine all files are in --results. "
            "Leave it out.",
        ),
        (
            (*SWEEP, "--address", "ray://head:10001"),
            "--address cannot be ray://head:10001: that is a port of Ray's client. Type the "
            "command on a machine of the cluster, with its HOST:PORT (6379 unless chosen) or auto.",
        ),
        (
            (*SWEEP, "--name", "a/b"),
            "--name cannot be 'a/b': it names a folder. Use letters, digits, `-`, `_`, `.`.",
        ),
        (
            (*SWEEP, "--scheduler", "asha"),
            "--scheduler cannot be asha with space heads: ending runs early leaves gaps in a "
            "one-factor space. Use it with a joint one.",
        ),
        (
            (*SWEEP, "--tracking-uri", "http://127.0.0.1:9"),
            "http://127.0.0.1:9: the tracking store cannot be reached (Connection refused). "
            "Start the server, or leave MLFLOW_TRACKING_URI unset to use a local file.",
        ),
        (
            ("ablate", "tmae", "--dataset", "tiny"),
            "There is no model `tmae`. Did you mean `tame`?",
        ),
        (
            (*ABLATE, "--variants", "without_txt"),
            "--variants: There is no variant of tame `without_txt`. Did you mean `without_text`?",
        ),
        (
            (*ABLATE, "--variants", "without_text", "--pairs"),
            "--pairs cannot be used with 1 variant: a pair joins two. Name more with --variants.",
        ),
        ((*ABLATE, "--seeds", "0"), "--seeds cannot be 0: it must be at least 1."),
        (
            ("compare", "sasrec", "--dataset", "tiny"),
            "MODEL: `sasrec` alone cannot be compared: name two models or more, or --all.",
        ),
        ((*COMPARE, "sasrec"), "MODEL: `sasrec` is named twice. Name it once."),
        (
            (*COMPARE, "--all"),
            "--all: takes every model that the data set can serve. Leave the names out.",
        ),
        (
            (*COMPARE, "--ours", "tame"),
            "--ours: There is no compared model `tame`. Known: gru4rec, sasrec.",
        ),
        ((*COMPARE, "--tune", "0"), "--tune cannot be 0: it must be at least 1."),
        ((*COMPARE, "--bound", "2"), "--bound cannot be 2: it must be between 0 and 1."),
        ((*ABLATE, "--retune", "0"), "--retune cannot be 0: it must be at least 1."),
        ((*ABLATE, "--retune", "-1"), "--retune cannot be -1: it must be at least 1."),
        (
            (*ABLATE, "--retune", "2", "--retune-space", "heads"),
            "--retune-space cannot be heads: it is a one-factor space of tame. Name a joint one.",
        ),
        (
            (*ABLATE, "--retune-space", "joint"),
            "--retune-space: nothing is searched without --retune N. Add it.",
        ),
        (
            (*ABLATE, "--retune", "2", "--set", "model.dropout=0.1"),
            "--set: `model.dropout` is searched by --retune (space joint). Leave it out.",
        ),
        ((*ABLATE, "--bound", "0"), "--bound cannot be 0: it must be between 0 and 1."),
        ((*ABLATE, "--bound", "nan"), "--bound cannot be nan: it must be between 0 and 1."),
        ((*ABLATE, "--workers", "0"), "--workers cannot be 0: it must be at least 1."),
        (
            (*ABLATE, "--name", "a/b"),
            "--name cannot be 'a/b': it names a folder. Use letters, digits, `-`, `_`, `.`.",
        ),
        (
            (*ABLATE, "--variants", "without_text", "--set", "model.use_text=false"),
            "--variants: `without_text` (model.use_text = False) changes nothing in tame on tiny: "
            "trained for a moment, it gives the base's scores bit for bit. Leave it out, or mend "
            "its keys in tame.toml.",
        ),
        (
            ("ablate", "sasrec", "--dataset", "tiny", "--modality-controls"),
            "--modality-controls: sasrec uses no modality with these settings. Leave it out.",
        ),
        (
            ("train", "sasrc", "--dataset", "tiny"),
            "There is no model `sasrc`. Did you mean `sasrec`?",
        ),
        (
            ("train", "sasrec", "--dataset", "tiny", "--device", "cudaa"),
            "--device cannot be cudaa: it is not here. Use auto or cpu.",
        ),
    ],
)
def test_a_word_that_cannot_be(orch, place, monkeypatch, words, sentence):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    refuse(orch(*words), sentence, place)


@pytest.mark.parametrize("words", [SWEEP[:4], ("train", "sasrec")])
def test_an_unknown_data_set(orch, place, data_dir, words):
    sentence = (
        f"{data_dir}: There is no data set `tyni`. Did you mean `tiny`? "
        "Import it first, or name the folder it is in (ORCH_DATA)."
    )
    refuse(orch(*words, "--dataset", "tyni"), sentence, place)


def test_a_server_named_by_the_environment(orch, place, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    sentence = (
        "http://***@127.0.0.1:9: the tracking store cannot be reached (Connection refused). "
        "Start the server, or leave MLFLOW_TRACKING_URI unset to use a local file."
    )
    refuse(orch(*SWEEP), sentence, place)


def test_a_results_folder_that_cannot_be_written(orch, place):
    (place / "file").write_text("mine")
    done = orch(*SWEEP, "--results", place / "file")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"orch: {place / 'file'}: cannot be written (File exists). "
        "Choose another --results folder.\n"
    )
    assert (place / "file").read_text() == "mine"


def test_a_results_folder_of_a_single_run_that_cannot_be_written(orch, place):
    (place / "file").write_text("mine")
    done = orch("train", "sasrec", "--dataset", "tiny", "--results", place / "file")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"orch: {place / 'file' / 'runs'}")
    assert done.err.endswith(
        ": cannot be written (Not a directory). Choose another --results folder.\n"
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            (*SWEEP, "--executor", "slurm"),
            "Invalid value for '--executor': 'slurm' is not one of 'ray', 'local'. "
            "See `orch sweep --help`.",
        ),
        (
            (*SWEEP, "--seeds", "three"),
            "Invalid value for '--seeds': Input should be a valid integer, unable to parse string "
            "as an integer. See `orch sweep --help`.",
        ),
        (("sweep", "sasrec"), "Missing option '--space'. See `orch sweep --help`."),
        (
            (*SWEEP, "--sedes", "3"),
            "No such option: --sedes (Possible options: --scheduler, --seeds, --set). "
            "See `orch sweep --help`.",
        ),
        (("swep",), "No such command 'swep'. Did you mean 'sweep'? See `orch --help`."),
        (
            ("data", "impotr"),
            "No such command 'impotr'. Did you mean 'import'? See `orch data --help`.",
        ),
        (
            (*ABLATE, "--retune", "few"),
            "Invalid value for '--retune': Input should be a valid integer, unable to parse string "
            "as an integer. See `orch ablate --help`.",
        ),
        (("plot", "bars"), "Missing argument 'STUDY...'. See `orch plot --help`."),
    ],
)
def test_words_that_no_command_has(orch, place, words, sentence):
    refuse(orch(*words), sentence, place)


def test_no_command_gives_the_help(orch):
    done = orch()
    assert done.code == 2
    assert (done.out + done.err).startswith("Usage: orch [OPTIONS] COMMAND [ARGS]...\n")


def test_a_plot_of_an_unknown_sweep(orch, store):
    done = orch("plot", "bars", "tame-heads", "--out", "figures")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"orch: sqlite:///{store / 'mlflow.db'}: There is no sweep `tame-heads`. Known: none.\n"
    )
    assert not (store.parent / "figures").exists()


def test_another_plan_under_a_sweeps_name(orch, store, small):
    words = (*SWEEP, *small, "--name", "mine", "--executor", "local", "--max-epochs", "1")
    assert orch(*words, "--seeds", "1").code == 0
    done = orch(*words, "--seeds", "2")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "orch: --name: `mine` is a sweep with other seeds. Choose another --name, "
        "or repeat the first sweep's options to go on with it.\n"
    )


def test_a_sweep_under_an_ablations_name(orch, store, small):
    words = ("--dataset", "tiny", "--executor", "local", "--name", "mine", "--max-epochs", "1")
    few = ("--seeds", "1", "--set", "model.dim=16", "--variants", "without_text")
    assert orch("ablate", "tame", *words, *few).code == 0
    done = orch("sweep", "sasrec", "--space", "heads", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "orch: --name: `mine` is an ablation with other base, factors, kind, scheduler, seeds. "
        "Choose another --name, or repeat the first ablation's options to go on with it.\n"
    )


def test_a_cluster_that_does_not_answer(orch, store):
    """Found when the runs are to start, at once; Ray alone would try for minutes."""
    done = orch(*SWEEP, "--address", "127.0.0.1:9")
    assert (done.code, done.out) == (2, "12 runs.\n")
    assert done.err == (
        "orch: Ray cannot be used on 127.0.0.1:9: [Errno 111] Connection refused. "
        "Mend --address or use --executor local.\n"
    )


def test_a_path_of_an_unknown_sweep(orch, store):
    done = orch("path", "tame-joint")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"orch: sqlite:///{store / 'mlflow.db'}: There is no sweep `tame-joint`. Known: none.\n"
    )


def test_a_plot_makes_no_store(orch, tmp_path):
    done = orch("plot", "bars", "x", "--out", "figures", "--results", str(tmp_path / "mistyped"))
    assert done.code == 2
    assert "there is no store of runs. Run a sweep first" in done.err
    assert not (tmp_path / "mistyped").exists()
