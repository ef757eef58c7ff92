"""Ablations run to their end, phase after phase; what was done before is taken."""

import re

import pytest

from orchestrator.config import override
from orchestrator.data import open_dataset
from orchestrator.errors import ConfigError
from orchestrator.sweep import objective
from orchestrator.sweep.options import Options
from orchestrator.sweep.phases import run_phases
from orchestrator.sweep.prepare_ablation import Question, prepare_ablation
from orchestrator.sweep.run import open_executor
from orchestrator.sweep.study import claim

TEXT = """
[spaces.joint]
kind = "joint"
factors.train.learning_rate = {low = 1e-4, high = 1e-2, log = true}
factors.model.num_heads = {choices = [1, 2]}
[spaces.patience]
kind = "joint"
factors.train.patience = {choices = [11, 12]}
[spaces.hopeless]
kind = "joint"
factors.train.learning_rate = {choices = [1e30, 1e31]}
[variants.one_head]
model.num_heads = 1
[variants.slow]
train.learning_rate = 1e-5
"""


class Book:
    """A sink as strict as the tracker: what was told, by key."""

    def __init__(self):
        self.runs, self.records, self.open = {}, {}, set()

    def start_run(self, run):
        self.runs[run.key] = run
        self.open.add(run.key)

    def log_epoch(self, key, epoch):
        assert key in self.open

    def finish_run(self, key, record):
        self.open.remove(key)
        self.records[key] = record

    stop_run = finish_run

    def of(self, phase):
        """Variant and record of each run of a phase."""
        return [
            (self.runs[key].variant, record)
            for key, record in self.records.items()
            if self.runs[key].phase == phase
        ]


@pytest.fixture
def trained(monkeypatch):
    """Settings that were really trained, one per run."""
    found = []
    original = objective.train

    def watched(config, *args, **kwargs):
        found.append(config)
        return original(config, *args, **kwargs)

    monkeypatch.setattr(objective, "train", watched)
    return found


@pytest.fixture
def make_ablation(read, base, data_dir):
    def make(text=TEXT, **fields):
        given = {"overrides": {}, "num_seeds": 2, "name": "mine", **fields}
        dataset = open_dataset("tiny", data_dir)
        return prepare_ablation(
            Question(**given), read(text), base, dataset, on_check=lambda done, num: None
        )

    return make


@pytest.fixture
def run(make_ablation, data_dir, tmp_path, new_listener):
    """Runs an ablation without a store; gives outcome, sink and listener."""

    def run_it(*, executor="local", results=None, listener=None, **fields):
        results = results or tmp_path / "results"
        folder = results / "sweeps" / "mine"
        options = Options(results=results, data_dir=data_dir, folder=folder, device="cpu")
        book, heard = Book(), listener or new_listener()
        with open_executor(executor) as execute:
            outcome = run_phases(
                make_ablation(**fields),
                sink=book,
                options=options,
                execute=execute,
                listener=heard,
            )
        return outcome, book, heard

    return run_it


def test_base_and_variants_run_with_the_same_seeds(run, base):
    outcome, book, heard = run()
    assert heard.of("phase", "planned") == [("phase", "fixed settings"), ("planned", 6, 0)]
    names = [name for _, name, _ in heard.of("finished")]
    assert names == [
        *("base seed=0", "one_head seed=0", "slow seed=0"),
        *("base seed=1", "one_head seed=1", "slow seed=1"),
    ]
    assert (len(outcome.records), outcome.num_reused, outcome.failed) == (6, 0, ())
    changed = {info.variant: info.changed for info in book.runs.values()}
    assert changed == {
        "base": {},
        "one_head": {"model.num_heads": 1},
        "slow": {"train.learning_rate": 1e-5},
    }
    for info in book.runs.values():
        config = override(base, info.changed, where="test")
        assert info.params["model.num_heads"] == config.settings.num_heads
        assert info.phase == "fixed"


def test_each_variant_is_searched_and_run_again_at_what_its_search_chose(run, base):
    outcome, book, heard = run(retune=3)
    assert heard.of("phase", "planned")[:-1] == [
        *[("phase", "fixed settings"), ("planned", 6, 0)],
        *[("phase", "search base"), ("planned", 3, 0)],
        *[("phase", "search one_head"), ("planned", 3, 0)],
        # one of two values of one factor alone is left: a grid, smaller than the budget
        *[("phase", "search slow"), ("planned", 2, 1)],
        ("phase", "retuned"),
    ]
    before = {record.run_id for phase in ("fixed", "search") for _, record in book.of(phase)}
    reused = sum(record.run_id in before for _, record in book.of("retuned"))
    assert heard.of("planned")[-1] == ("planned", 6, reused)
    assert reused >= 3, "what a search chose was run at the first seed"
    searched = book.of("search")
    assert {record.config["seed"] for _, record in searched} == {0}
    assert {r.config["train"]["learning_rate"] for v, r in searched if v == "slow"} == {1e-5}
    assert {r.config["settings"]["num_heads"] for v, r in searched if v == "one_head"} == {1}
    for variant in ("base", "one_head", "slow"):
        own = [record for name, record in searched if name == variant]
        best = max(own, key=lambda record: (record.metrics["val/ndcg@10"], record.run_id))
        again = [record for name, record in book.of("retuned") if name == variant]
        assert [record.config["seed"] for record in again] == [0, 1]
        assert again[0].run_id == best.run_id
        assert {**again[1].config, "seed": 0} == best.config
    assert len(outcome.records) == 6 + 8 + 6


def test_a_search_whose_runs_all_fail_chooses_nothing(run, new_listener):
    class Notes(new_listener):
        notes = ()

        def planned(self, num_runs, num_reused, notes):
            super().planned(num_runs, num_reused, notes)
            self.notes = notes

    heard = Notes()
    outcome, book, _ = run(
        retune=2, retune_space="hopeless", variants="one_head", num_seeds=1, listener=heard
    )
    assert heard.notes == (
        "`base` is not retuned: no run of its search finished.",
        "`one_head` is not retuned: no run of its search finished.",
    )
    assert heard.of("planned")[-1] == ("planned", 0, 0)
    assert len(outcome.failed) == 4
    assert book.of("retuned") == []


def test_the_same_command_again_runs_nothing(run, trained):
    first, _, _ = run(retune=2)
    num_trained = len(trained)
    again, book, heard = run(retune=2)
    assert len(trained) == num_trained
    assert len(heard.of("finished")) == len(again.records) == len(first.records)
    assert all(num == reused for _, num, reused in heard.of("planned"))
    assert book.open == set()
    assert {r.run_id for r in again.records} == {r.run_id for r in first.records}


@pytest.mark.parametrize("cut_at", [3, 8, 13])
def test_an_ablation_goes_on_where_it_was_cut(run, trained, tmp_path, new_listener, cut_at):
    """Ctrl-C among the fixed settings, in a search, and among the retuned runs."""
    whole, _, _ = run(retune=3, variants="one_head")
    assert len(whole.records) == 4 + 6 + 4
    trained.clear()

    class Interrupting(new_listener):
        def finished(self, run, record):
            super().finished(run, record)
            if len(self.of("finished")) == cut_at:
                raise KeyboardInterrupt

    given = {"retune": 3, "variants": "one_head", "results": tmp_path / "cut"}
    with pytest.raises(KeyboardInterrupt):
        run(listener=Interrupting(), **given)
    again, _, _ = run(**given)
    assert len(trained) == len({str(config.to_json()) for config in trained}), "none is run twice"
    assert len(again.records) == len(whole.records)
    if cut_at != 8:  # a search that goes on may draw other points
        assert {r.run_id for r in again.records} == {r.run_id for r in whole.records}


def test_a_run_of_another_ablation_or_sweep_is_taken(run, trained, run_sweep, tmp_path, small):
    """The base, and a variant that is a point of a sweep's space."""
    results = tmp_path / "results"
    space = '[spaces.test]\nkind = "one-factor"\nfactors.model.num_heads = {choices = [1, 2]}\n'
    overrides = {**small, "train.max_epochs": 1}
    run_sweep(space, executor="local", results=results, overrides=overrides)
    trained.clear()
    _, _, heard = run(overrides={"train.max_epochs": 1})
    assert heard.of("planned") == [("planned", 6, 4)]
    assert {config.train.learning_rate for config in trained} == {1e-5}
    trained.clear()
    other = run_sweep(
        space, executor="local", results=results, overrides={**overrides, "model.num_heads": 1}
    )
    assert (other.num_reused, trained) == (4, [])


def test_two_variants_of_one_meaning_share_their_runs(run, trained):
    text = f"{TEXT}[variants.single]\nmodel.num_heads = 1\n"
    outcome, book, heard = run(text=text, variants="one_head,single", num_seeds=1)
    assert heard.of("planned") == [("planned", 3, 0)]
    assert len(trained) == 2
    one, other = (record for variant, record in book.of("fixed") if variant != "base")
    assert one == other
    assert len(outcome.records) == 3


def test_a_failed_run_stops_no_other(run):
    text = f"{TEXT}[variants.wild]\ntrain.learning_rate = 1e30\n"
    outcome, book, _ = run(text=text, variants="wild,one_head", num_seeds=1)
    assert {variant: record.status for variant, record in book.of("fixed")} == {
        "base": "finished",
        "wild": "failed",
        "one_head": "finished",
    }
    assert len(outcome.failed) == 1


def test_another_plan_under_an_ablations_name_is_refused(make_ablation, tmp_path):
    claim(make_ablation(), tmp_path)
    claim(make_ablation(), tmp_path)
    message = (
        "--name: `mine` is an ablation with other {}. Choose another --name, "
        "or repeat the first ablation's options to go on with it."
    )
    for fields, different in [
        ({"variants": "slow"}, "variants"),
        ({"num_seeds": 3}, "seeds"),
        ({"retune": 3}, "retune"),
    ]:
        with pytest.raises(ConfigError) as refusal:
            claim(make_ablation(**fields), tmp_path)
        assert str(refusal.value) == message.format(different)


def test_a_model_without_variants_has_nothing_to_ablate(make_ablation):
    message = "--variants: sasrec has none. Write [variants.<name>] in sasrec.toml."
    with pytest.raises(ConfigError, match=re.escape(message)):
        make_ablation(text="")


@pytest.mark.slow
@pytest.mark.filterwarnings(
    # Ray leaves sockets and files of its processes to the garbage collector.
    "ignore:unclosed:ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
def test_ray_and_this_process_give_equal_ablations(run, tmp_path, comparable):
    """Every variant's two patiences are searched as a grid, so that no sampler is in between."""
    given = {"variants": "one_head", "retune": 2, "retune_space": "patience"}
    books = {}
    for executor in ("local", "ray"):
        _, book, _ = run(executor=executor, results=tmp_path / executor, **given)
        books[executor] = {key: comparable(record) for key, record in book.records.items()}
    assert len(books["local"]) == 4 + 4 + 4
    assert books["local"] == books["ray"]
