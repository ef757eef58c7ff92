import dataclasses

import numpy as np
import pytest
import torch

from orchestrator.config import default_trial, override
from orchestrator.data import open_dataset, planted_config, planted_marks
from orchestrator.diagnosis.attention import _mass, attention_mass
from orchestrator.errors import ConfigError
from orchestrator.training.loop import build_model


def test_mass_is_the_marked_share_by_query():
    maps = [
        torch.tensor([[[0.5, 0.5, 0.0]], [[0.0, 0.2, 0.8]]]),  # two queries, one head
        torch.zeros(2, 1, 0),
        torch.tensor([[[1.0]], [[1.0]]]),
    ]
    found = _mass(maps, torch.tensor([False, False, True, True]))
    assert found.chance == pytest.approx((1 / 3 + 1) / 2)
    np.testing.assert_allclose(found.by_query, [(0.0 + 1) / 2, (0.8 + 1) / 2], rtol=1e-6)


@pytest.fixture(scope="module")
def tiny(data_dir):
    return open_dataset("tiny", data_dir)


@pytest.fixture
def config():
    values = {"model.dim": 8, "model.num_heads": 2, "model.inner_dim": 8}
    return override(default_trial("tame", "tiny"), values, where="test")


def test_before_and_after_are_of_initial_and_kept_weights(config, tiny, tmp_path):
    from safetensors.torch import save_file

    model = build_model(config, tiny)
    weights = tmp_path / "model.safetensors"
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, weights)
    same = attention_mass(config, weights, tiny)
    assert set(same) == {"text", "image"}
    for modality, mass in same.items():
        assert mass.untrained == pytest.approx(mass.trained)
        assert mass.best_query >= mass.trained
        marks = planted_marks(planted_config(tiny))[modality]
        assert mass.chance == pytest.approx(marks.mean(), abs=0.05)
    with torch.no_grad():
        for vectors in model.vectors.values():
            vectors.cross_attention.key.weight.zero_()  # every token gets the same
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, weights)
    for mass in attention_mass(config, weights, tiny).values():
        assert mass.trained == pytest.approx(mass.chance, abs=1e-5)
        assert mass.untrained != pytest.approx(mass.chance, abs=1e-4)


def test_other_data_do_not_say_which_tokens_tell(config, tiny, tmp_path):
    origin = dataclasses.replace(tiny.manifest.origin, generator=None)
    other = dataclasses.replace(tiny, manifest=dataclasses.replace(tiny.manifest, origin=origin))
    with pytest.raises(ConfigError, match="is no planted world"):
        attention_mass(config, tmp_path / "none", other)
