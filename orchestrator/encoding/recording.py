"""What a manifest will say of features: who made them, of what, and what is missing."""

import numpy as np
from jaxtyping import Bool

from orchestrator.data import EncoderEntry, Features, form_note
from orchestrator.encoding.locate import Located
from orchestrator.encoding.partial import Partial
from orchestrator.encoding.settings import Settings
from orchestrator.encoding.tower import Tower


def features(partial: Partial, tower: Tower, located: Located, settings: Settings) -> Features:
    """The filled arrays as features that know their encoder."""
    lengths = tower.plan.lengths
    return Features(
        **partial.arrays(),
        lengths=lengths if "tokens" in settings.forms else None,
        words=tower.words() if "tokens" in settings.forms else None,
        missing=missing(tower),
        encoders={form: _entry(form, tower, located, settings) for form in settings.forms},
    )


def missing(tower: Tower) -> Bool[np.ndarray, " rows"]:
    """The items that have nothing to encode; padding is none."""
    lacking = tower.plan.lengths == 0
    lacking[0] = False
    return lacking


def _entry(form: str, tower: Tower, located: Located, settings: Settings) -> EncoderEntry:
    """What made a form: only what had a part in it."""
    used = dict(tower.preprocessing())
    if form != "tokens":
        used.pop("pool_patches", None)
    if form == "pooled":
        used["pooling"] = settings.pooling
    state = "hidden states of every layer" if form == "layers" else "last hidden state"
    return EncoderEntry(
        name=located.name,
        revision=located.revision,
        preprocessing={**used, "state": state, "dtype": settings.dtype},
    )


def notes(tower: Tower, settings: Settings) -> tuple[str, ...]:
    """What is missing and what was cut, for each form that it holds of."""
    num_missing = int(missing(tower).sum())
    what = {"text": "text", "image": "picture"}[settings.modality]
    texts = []
    if num_missing:
        texts.append(f"{num_missing} items have no {what} and are marked missing.")
    if tower.plan.num_cut:
        limit = tower.preprocessing()["max_tokens"]
        texts.append(f"{tower.plan.num_cut} texts are longer than {limit} tokens and were cut.")
    return tuple(
        form_note(settings.modality, form, text) for form in settings.forms for text in texts
    )
