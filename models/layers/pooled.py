"""Pooled features of a modality, as models hold them."""

from jaxtyping import Float
from torch import Tensor

from models._interface import Catalogue


def pooled_features(catalogue: Catalogue, name: str, *, model: str) -> Float[Tensor, "rows width"]:
    """One vector per item of a modality.

    Args:
        catalogue: all items.
        name: of the modality.
        model: what the model is called, for messages.

    Raises:
        ValueError: the data set lacks the modality, or has tokens of it alone.
    """
    pooled = catalogue.modality(name).pooled
    if pooled is None:
        raise ValueError(f"the data set has `{name}` tokens alone; {model} needs pooled vectors.")
    return pooled
