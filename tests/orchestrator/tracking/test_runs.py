import dataclasses
import json

import pytest

from orchestrator.tracking import RunInfo, SweepInfo, VariantInfo
from orchestrator.tracking.runs import run_from_json, sweep_from_json

VARIANTS = (
    VariantInfo(name="a", changed={"model.use_gate": False, "eval.cutoffs": (5, 10)}),
    VariantInfo(name="b", changed={"data.noise": ("text",)}, is_control=True),
    VariantInfo(name="a+b", changed={"model.use_gate": False}, members=("a", "b")),
)


def through_json(plain):
    return json.loads(json.dumps(plain))


def test_a_sweep_comes_back_from_json(info):
    assert sweep_from_json(through_json(info.to_json())) == info


def test_an_ablation_comes_back_from_json(info):
    ablation = dataclasses.replace(info, kind="ablation", variants=VARIANTS, bound=0.05)
    assert sweep_from_json(through_json(ablation.to_json())) == ablation


def test_a_sweep_of_earlier_days_has_no_variants(info):
    plain = info.to_json()
    del plain["variants"], plain["bound"]
    assert sweep_from_json(through_json(plain)) == info
    assert isinstance(info, SweepInfo)


@pytest.mark.parametrize("phase", ["fixed", "search", "retuned"])
def test_a_run_comes_back_from_json(make_run, phase):
    run = dataclasses.replace(make_run(), variant="a+b", phase=phase)
    assert run_from_json(through_json(run.to_json())) == run
    plain = through_json(make_run().to_json())
    del plain["variant"], plain["phase"]
    assert run_from_json(plain) == make_run()


def test_variants_that_share_a_run_have_keys_of_their_own(make_run):
    run = make_run()
    keys = {
        dataclasses.replace(run, variant=variant, phase=phase).key
        for variant in ("base", "a")
        for phase in ("fixed", "search", "retuned")
    }
    assert len(keys) == 6
    assert run.key == run.run_id, "as in a sweep"
    assert isinstance(run, RunInfo)
