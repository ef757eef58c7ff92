"""Nothing that a user or a stranger supplies is ever run as code."""

import ast
from pathlib import Path

import pytest

import models
import orchestrator

FILES = sorted(
    path
    for package in (models, orchestrator)
    for path in Path(package.__file__).parent.rglob("*.py")
)
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "code"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
SHELL = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}


def name_of(node):
    """A dotted name, such as ``torch.load``; empty where it is none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (head := name_of(node.value)):
        return f"{head}.{node.attr}"
    return ""


def has(call, key, value):
    return any(word.arg == key and ast.unparse(word.value) == value for word in call.keywords)


def wrong_call(call):
    """Why a call may run what it reads; None where it does not."""
    name = name_of(call.func)
    unsafe = {
        "a built-in that runs text": name in BUILTINS,
        "a shell": name in SHELL or has(call, "shell", "True"),
        "a pickle": name.rpartition(".")[2] in {"read_pickle", "to_pickle"},
        "torch.load": name == "torch.load" and not has(call, "weights_only", "True"),
        "np.load": name in {"np.load", "numpy.load"} and not has(call, "allow_pickle", "False"),
        "YAML": name.startswith("yaml.") and name not in {"yaml.safe_load", "yaml.safe_dump"},
        "code of a model's folder": has(call, "trust_remote_code", "True"),
    }
    return next((why for why, is_so in unsafe.items() if is_so), None)


def imported(node):
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    return {(node.module or "").partition(".")[0]} if not node.level else set()


def findings(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom) and imported(node) & MODULES:
            yield node.lineno, "a module that runs what it reads"
        if isinstance(node, ast.Call) and (why := wrong_call(node)):
            yield node.lineno, why


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[-3:]))
def test_no_file_runs_what_it_reads(path):
    assert list(findings(path.read_text())) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "def f(x):\n    return eval(x)",
        "exec(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "import yaml\nyaml.load(text)",
        "pd.read_pickle(path)",
        "subprocess.run(words, shell=True)",
        "AutoModel.from_pretrained(path, trust_remote_code=True)",
    ],
)
def test_the_search_finds_what_it_looks_for(text):
    assert list(findings(text))


def test_the_search_lets_the_safe_forms_pass():
    text = (
        "np.load(path, allow_pickle=False)\ntorch.load(path, weights_only=True)\n"
        "model.eval()\nre.compile(pattern)\nyaml.safe_load(text)\n"
    )
    assert list(findings(text)) == []
