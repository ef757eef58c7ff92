import shutil

import models

SASREC = """\
SASRec: a causal Transformer over item ids.
  spaces: heads, joint
"""


TAME = """\
TAME: textual and visual features reach a sequence encoder through learned queries.
  spaces: heads, queries, temperature, contrast, joint, training
  variants: without_modality_retriever, without_id_enrichment, without_text, without_vision
"""


def test_models_tells_each_model_with_its_spaces_and_variants(orch):
    done = orch("models")
    assert (done.code, done.err) == (0, "")
    assert SASREC in done.out
    head, *rest = TAME.splitlines(keepends=True)
    assert f"\n{head.split(':')[0]}: " in done.out
    assert "".join(rest) in done.out


SPACES = """\
tame --space heads (one-factor): Attention heads of the textual and of the visual retriever \
(Figures 4 and 5).
  model.text_heads: 1, 2, 4, 8, 16
  model.image_heads: 1, 2, 4, 8, 16
tame --space queries (one-factor): Learned queries to text and to images (Figures 2 and 3).
  model.text_queries: 1, 2, 4, 8, 16
  model.image_queries: 1, 2, 4, 8, 16
tame --space temperature (one-factor): Temperature of the contrastive loss, which the paper does \
not give.
  model.temperature: 0.03, 0.07, 0.1, 0.2, 0.5, 1.0
tame --space contrast (joint): The contrastive loss: its weight, and its temperature where it \
has any.
  model.contrast_weight: 0.0, 0.03, 0.1, 0.3, 1.0
  model.temperature: 0.03 to 1.0 (log scale) where model.contrast_weight = 0.03 or 0.1 or 0.3 or 1.0
tame --space joint (joint): Everything the paper tunes or leaves open, together.
  model.text_queries: 1, 2, 4, 8, 16
  model.image_queries: 1, 2, 4, 8, 16
  model.text_heads: 1, 2, 4, 8, 16
  model.image_heads: 1, 2, 4, 8, 16
  model.temperature: 0.03 to 1.0 (log scale)
  model.contrast_weight: 0.0, 0.1, 1.0
  model.dropout: 0.0 to 0.6
  train.learning_rate: 0.0003 to 0.003 (log scale)
tame --space training (one-factor): How it is trained, which the paper leaves open.
  train.learning_rate: 0.0005, 0.001, 0.002
  train.average_decay: 0.0, 0.98
  model.dropout: 0.2, 0.4, 0.6
  model.contrast_weight: 0.0, 0.1, 1.0
tame on planted: """
VARIANTS = """\
tame --variants without_modality_retriever: model.use_retriever = False
tame --variants without_id_enrichment: model.use_enrichment = False
tame --variants without_text: model.use_text = False
tame --variants without_vision: model.use_image = False
tame --variants components (group): Each part of TAME left out in turn (Table III).
  without_modality_retriever, without_id_enrichment, without_text, without_vision
"""


def test_spaces_tells_each_space_with_its_factors(orch):
    done = orch("spaces", "tame")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(SPACES)
    assert done.out.endswith(VARIANTS)
    settings = done.out.removeprefix(SPACES).removesuffix(VARIANTS).splitlines()
    assert "model.num_layers = 1, " in settings[0]
    assert [line.split(": ")[0] for line in settings[1:]] == [
        "tame on planted-wide",
        "tame on scientific",
    ]


def test_spaces_tells_those_of_all_models(orch):
    done = orch("spaces")
    assert done.code == 0
    assert done.out == "".join(orch("spaces", name).out for name in models.names())


def test_spaces_of_an_unknown_model(orch):
    done = orch("spaces", "tma")
    assert (done.code, done.out) == (2, "")
    assert done.err == "orch: There is no model `tma`. Did you mean `tame`?\n"


def test_datasets_of_an_empty_folder(orch, place):
    done = orch("datasets", "--data-dir", place / "none")
    assert (done.code, done.err) == (0, "")
    assert done.out == "planted (synthetic): generated on first use\n"
    assert not (place / "none").exists(), "looking makes nothing"


def test_datasets_tells_what_there_is(orch, data_dir, tmp_path):
    shutil.copytree(data_dir / "tiny", tmp_path / "data" / "tiny")  # others have made `planted`
    done = orch("datasets", "--data-dir", tmp_path / "data")
    lines = done.out.splitlines()
    assert lines[0] == "planted (synthetic): generated on first use"
    (tiny,) = [line for line in lines if line.startswith("tiny (synthetic): ")]
    assert tiny.startswith("tiny (synthetic): 60 users, 40 items, ")
    assert tiny.endswith(" interactions; image (pooled, tokens); text (pooled, tokens)")
