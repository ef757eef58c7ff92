import json
import os
import re
import subprocess
import sys

import pytest
import typer.main

import models
from orchestrator.cli import app

HEAVY = (
    "torch",
    "transformers",
    "ray",
    "mlflow",
    "pandas",
    "matplotlib",
    "optuna",
    "numpy",
    "pydantic",
    "pyarrow",
    "requests",
)


def walk(command, name):
    """Every command that does something, by its full name."""
    children = getattr(command, "commands", {})
    if not children:
        yield name, command
    for child, below in children.items():
        yield from walk(below, f"{name} {child}")


COMMANDS = dict(walk(typer.main.get_command(app), "orch"))


def test_the_commands_are_these():
    assert set(COMMANDS) == {
        "orch sweep",
        "orch ablate",
        "orch compare",
        "orch path",
        "orch resume",
        "orch diagnose",
        "orch reproduce",
        "orch explain",
        "orch train",
        "orch status",
        "orch best",
        "orch show",
        "orch rm",
        "orch restore",
        "orch doctor",
        "orch plot",
        "orch report",
        "orch ui",
        "orch models",
        "orch spaces",
        "orch datasets",
        "orch data check",
        "orch table comparison",
        "orch table ablation",
        "orch table statistics",
        "orch data encode",
        "orch data get",
        "orch data import",
        "orch data info",
        "orch data planted",
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(orch, name):
    done = orch(*name.split()[1:], "--help")
    text = " ".join(done.out.split())
    assert (done.code, done.err) == (0, "")
    assert text.startswith(f"Usage: {name} ")
    assert f"Example: {name}" in text
    assert COMMANDS[name].help.splitlines()[0].endswith((".", ":"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_argument_is_explained(name):
    for parameter in COMMANDS[name].params:
        assert getattr(parameter, "help", None), f"{name} {parameter.name}"


def test_an_example_is_a_command_that_parses():
    """With the names that it has; that it also runs is for other tests to see."""
    for name, command in COMMANDS.items():
        words = re.search(rf"Example: {name}(.*)", command.help).group(1).split()
        command.make_context(name, words)


def run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_imports_nothing_heavy():
    code = """
import json, sys
from orchestrator.cli import main
sys.argv = ["orch", "--help"]
try:
    main()
except SystemExit as leaving:
    assert not leaving.code
print(json.dumps(sorted(sys.modules)))
"""
    modules = json.loads(run(code).splitlines()[-1])
    assert set(modules) & set(HEAVY) == set()


COMPLETE = """
import sys
from orchestrator.cli import main
try:
    main()
except SystemExit:
    pass
sys.stdout.flush()
assert not {"torch", "ray", "mlflow", "pandas", "matplotlib", "optuna"} & set(sys.modules)
"""


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("orch sweep ", sorted(models.names())),
        ("orch sweep s", ["sasrec"]),
        ("orch spaces t", [name for name in models.names() if name.startswith("t")]),
        ("orch train x", []),
        ("orch sweep sasrec --space ", ["heads", "joint"]),
        ("orch sweep tame --space te", ["temperature", "text_heads", "text_queries"]),
        ("orch sweep --space h", []),
        ("orch reproduce tame/t", ["tame/table1", "tame/table2", "tame/table3"]),
        ("orch ablate tame --retune-space j", ["joint"]),
        ("orch ablate tame --variants without_t", ["without_text"]),
        ("orch ablate tame --variants comp", ["components"]),
        ("orch ablate tame --variants without_text,without_v", ["without_text,without_vision"]),
        ("orch diagnose decorec --views c", ["clusters", "cold", "convergence"]),
        ("orch diagnose decorec --views cold,re", ["cold,recall"]),
        ("orch dat", ["datasets", "data"]),
        ("orch compare sasrec gru", ["gru4rec"]),
    ],
)
def test_the_shell_completes_names(line, offered):
    words = line.split(" ")
    out = run(
        COMPLETE,
        _ORCH_COMPLETE="complete_bash",
        COMP_WORDS=line,
        COMP_CWORD=str(len(words) - 1),
    )
    assert out.split() == offered
