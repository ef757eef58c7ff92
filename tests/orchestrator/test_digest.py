"""What a run's code digest follows, and what leaves it alone."""

from pathlib import Path

import pytest

import models
from orchestrator import digest
from orchestrator.digest import code_digest, run_files, whole_digest

HERE = Path(digest.__file__).parent
ZOO = Path(models.__file__).parent


@pytest.fixture
def touched(monkeypatch):
    """A function that says for which models a change in a file changes the digest."""
    original = Path.read_bytes

    def forget():
        for kept in (code_digest, whole_digest, digest._tree):
            kept.cache_clear()

    def changed(path, of=("sasrec", "fearec", "tame", "decorec")):
        assert path.exists()
        forget()
        before = {model: code_digest(model) for model in of}, whole_digest()
        with monkeypatch.context() as patch:
            patch.setattr(
                Path, "read_bytes", lambda self: original(self) + (b"#" if self == path else b"")
            )
            forget()
            after = {model: code_digest(model) for model in of}, whole_digest()
        forget()
        assert before[1] != after[1], "machines are told apart by any of these files"
        return {model for model in of if before[0][model] != after[0][model]}

    return changed


@pytest.mark.parametrize(
    "name", ["training/loop.py", "data/split.py", "evaluation/metrics.py", "data/batches.py"]
)
def test_what_every_run_goes_through_makes_every_run_anew(touched, name):
    assert touched(HERE / name) == {"sasrec", "fearec", "tame", "decorec"}


def test_a_models_file_makes_its_own_runs_anew(touched):
    assert touched(ZOO / "tame.py") == {"tame"}


def test_a_layer_makes_the_runs_anew_of_models_that_have_it(touched):
    assert touched(ZOO / "layers" / "frequency.py") == {"fearec"}
    assert touched(ZOO / "layers" / "retrieval.py") == {"tame"}
    assert {"sasrec", "fearec", "tame"} <= touched(ZOO / "layers" / "transformer.py")


@pytest.mark.parametrize("name", ["data/plain.py", "data/planted.py", "evaluation/ceiling.py"])
def test_what_makes_data_sets_or_looks_at_results_leaves_runs_alone(touched, name):
    """A data set is in a run's hash by its content."""
    assert touched(HERE / name) == set()


def test_a_run_depends_on_no_other_model():
    files = run_files("sasrec")
    assert files >= {ZOO / "sasrec.py", ZOO / "_interface.py", HERE / "training" / "loop.py"}
    assert ZOO / "tame.py" not in files


def test_every_form_of_import_is_followed(monkeypatch, tmp_path):
    root = tmp_path / "models"
    sources = {
        "__init__.py": "from models.inner import shown as seen\nhere = 1\n",
        "plain.py": "import models.by_name\n",
        "by_name.py": "from models import submodule\n",
        "submodule.py": "def late():\n    from models import seen\n",
        "inner/__init__.py": "from models.inner.deep import shown\n",
        "inner/deep.py": "shown = 1\n",
        "unused.py": "",
        "of_package.py": "from models import here\n",
    }
    for name, text in sources.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(models, "__file__", str(root / "__init__.py"))
    monkeypatch.setattr(digest, "LOOP", "models.unused")
    digest._tree.cache_clear()
    found = {
        model: {str(path.relative_to(root)) for path in run_files(model)}
        for model in ("plain", "of_package")
    }
    digest._tree.cache_clear()
    assert found["plain"] == {
        "unused.py",
        "plain.py",
        "by_name.py",
        "submodule.py",
        "inner/deep.py",
    }
    assert found["of_package"] == {"unused.py", "of_package.py", "__init__.py", "inner/deep.py"}
