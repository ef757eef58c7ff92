"""The files that start Ray on a cluster name commands and options that are there."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
import yaml

import orchestrator
from orchestrator.cli import app

ROOT = Path(orchestrator.__file__).parents[1]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent


def parse(line):
    """Parse a command of ours as typed; raises where it would be refused."""
    words = shlex.split(line)
    assert words.pop(0) == "orch"
    command = typer.main.get_command(app).commands[words.pop(0)]
    command.make_context("orch", words)


def test_the_manifest_runs_a_command_that_parses():
    job = yaml.safe_load((DEPLOY / "kuberay.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    entrypoint = job["spec"]["entrypoint"]
    parse(entrypoint)
    assert "--address auto" in entrypoint


def test_the_manifest_has_the_version_of_ray_that_is_installed():
    """Head, workers and the image must agree."""
    (pinned,) = re.findall(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    cluster = yaml.safe_load((DEPLOY / "kuberay.yaml").read_text())["spec"]["rayClusterSpec"]
    assert cluster["rayVersion"] == pinned
    assert f"rayproject/ray:{pinned}-" in (DEPLOY / "Dockerfile").read_text()
    assert cluster["authOptions"] == {"mode": "token"}


def test_only_the_head_mounts_a_disk():
    cluster = yaml.safe_load((DEPLOY / "kuberay.yaml").read_text())["spec"]["rayClusterSpec"]
    workers = [group["template"]["spec"] for group in cluster["workerGroupSpecs"]]
    assert all("volumes" not in spec for spec in workers)
    assert cluster["headGroupSpec"]["template"]["spec"]["volumes"]


def test_the_script_is_bash():
    subprocess.run(["bash", "-n", DEPLOY / "slurm.sh"], check=True)


@pytest.mark.parametrize("file", ["slurm.sh", "README.md"])
def test_commands_that_are_named_parse(file):
    text = (DEPLOY / file).read_text()
    lines = re.findall(r"deploy/slurm\.sh (.+?)(?:`|$)", text, re.MULTILINE)
    assert lines
    for line in lines:
        parse(f"orch {line} --address here:6379")


def test_options_of_ray_start_exist():
    told = subprocess.run(
        [BIN / "ray", "start", "--help"], capture_output=True, text=True, check=True
    ).stdout
    text = (DEPLOY / "slurm.sh").read_text()
    lines = [line for line in text.splitlines() if re.match(r"\s*(ray )?start ", line)]
    used = {word for line in lines for word in re.findall(r"--[a-z-]+", line)}
    assert {"--head", "--address", "--num-gpus", "--block"} <= used
    assert all(option in told for option in used)


SRUN = """#!/usr/bin/env bash
while [[ "$1" == --* ]]; do shift; done
exec "$@"
"""
SCONTROL = """#!/usr/bin/env bash
printf 'first\\nsecond\\n'
"""


@pytest.mark.slow
def test_the_script_starts_ray_and_runs_the_command(tmp_path, data_dir, made_store):
    """With stand-ins for Slurm's commands: two nodes on this machine, under Ray's token."""
    stand_ins = tmp_path / "bin"
    stand_ins.mkdir()
    for name, text in {"srun": SRUN, "scontrol": SCONTROL}.items():
        (stand_ins / name).write_text(text)
        (stand_ins / name).chmod(0o755)
    results = tmp_path / "results"
    results.mkdir()
    shutil.copy(made_store, results / "mlflow.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = "sweep sasrec --space heads --dataset tiny --seeds 1 --max-epochs 1"
    done = subprocess.run(
        ["bash", DEPLOY / "slurm.sh", *words.split(), "--results", results],
        env={
            **os.environ,
            "PATH": f"{stand_ins}:{BIN}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "ORCH_DATA": str(data_dir),
            "ORCH_RAY_PORT": str(port),
            "SLURM_JOB_NODELIST": "[first,second]",
            "SLURM_CPUS_ON_NODE": "1",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 runs." in done.stdout
    assert len(list(results.glob("runs/*/record.json"))) == 4
