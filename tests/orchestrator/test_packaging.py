"""What is built and installed, as opposed to what lies in the checkout."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import orchestrator

ROOT = Path(orchestrator.__file__).parents[1]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "orchestrator", "models", "search_spaces")


def run(*words, cwd):
    """Run Python anywhere but in the checkout, without what the environment adds to its path."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of the checkout in which runs have left their files."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, checkout / name)
    (checkout / "results" / "runs" / "abc").mkdir(parents=True)
    (checkout / "results" / "runs" / "abc" / "record.json").write_text("{}")
    (checkout / "results" / "mlflow.db").write_text("")
    shutil.copy(ROOT / "results" / "published.csv", checkout / "results")
    (checkout / "tests").mkdir()
    (checkout / "tests" / "test_it.py").write_text("")
    build = "import setuptools.build_meta as backend, sys; print(backend.build_wheel(sys.argv[1]))"
    run("-c", build, checkout, cwd=checkout)
    (built,) = checkout.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_every_package_is_named_where_wheels_are_made():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = set(project["tool"]["setuptools"]["packages"])
    packages = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for folder in ("orchestrator", "models")
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert packages == named - {"search_spaces", "results"}


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_what_they_read(names):
    inside = {name for name in names if ".dist-info/" not in name}
    modules = {
        path.relative_to(ROOT).as_posix()
        for package in ("orchestrator", "models")
        for path in (ROOT / package).rglob("*.py")
    }
    spaces = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "search_spaces").rglob("*.toml")
    }
    assert {"search_spaces/sasrec.toml", "search_spaces/papers/tame.toml"} <= spaces
    data = {"results/published.csv", "models/py.typed", "orchestrator/py.typed"}
    data |= {f"orchestrator/reporting/page/page.{end}" for end in ("css", "html.j2")}
    data |= {f"orchestrator/obtaining/{name}" for name in ("sources.toml", "README.md")}
    assert inside == modules | spaces | data


@pytest.mark.slow
def test_the_wheel_says_what_it_is(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (info,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        entry_points = archive.read(f"{info}/entry_points.txt").decode()
        metadata = archive.read(f"{info}/METADATA").decode()
        licences = [name for name in archive.namelist() if name.endswith("/LICENSE")]
    assert entry_points == "[console_scripts]\norch = orchestrator.cli:main\n"
    assert f"Name: orch\nVersion: {orchestrator.__version__}\n" in metadata
    assert len(licences) == 1


@pytest.mark.slow
def test_an_installed_wheel_works(wheel, tmp_path):
    """Spaces and published figures are found where they were installed."""
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r}); sys.argv = ['orch', *{{words}}]\n"
        "import models, orchestrator\n"
        f"assert models.__file__.startswith({str(site)!r}), models.__file__\n"
        f"assert orchestrator.__file__.startswith({str(site)!r}), orchestrator.__file__\n"
        "from orchestrator.reporting.published import published\n"
        "assert len(published(paper='tame', table='II', variant='base'))\n"
        "from orchestrator.cli import main\n"
        "main()\n"
    )
    out = run("-c", code.replace("{words}", "['spaces', 'sasrec']"), cwd=tmp_path)
    assert out.startswith("sasrec --space heads (one-factor): ")


def test_the_name_models_is_ours(tmp_path):
    """Another distribution could bring a package of that name."""
    found = run("-c", "import models; print(models.__file__)", cwd=tmp_path).strip()
    assert Path(found) == ROOT / "models" / "__init__.py"


def test_the_zoo_alone_needs_no_machinery(tmp_path):
    code = "import json, models, sys; models.find('tame'); print(json.dumps(sorted(sys.modules)))"
    modules = set(json.loads(run("-c", code, cwd=tmp_path)))
    heavy = {"ray", "mlflow", "optuna", "pandas", "matplotlib", "typer", "pydantic", "orchestrator"}
    assert "torch" in modules
    assert modules & heavy == set()
