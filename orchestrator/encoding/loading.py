"""Models, tokenizers and image processors, through transformers and from a folder alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from orchestrator.encoding.locate import Located
from orchestrator.errors import ConfigError

READS = {"text": "input_ids", "image": "pixel_values"}
TOWERS = {"text": "text_config", "image": "vision_config"}
"""The part of a two-tower model's configuration that reads a modality."""
UNUSED = ("pooler.", "mask_token", "position_ids")
"""Weights whose absence changes nothing that is read: heads that are not asked, buffers."""


@contextmanager
def quiet() -> Iterator[None]:
    """No notes of transformers on the terminal; what is wrong becomes an error of ours."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def _one_sentence(located: Located, what: str) -> Iterator[None]:
    """Turn what transformers raises while loading into a sentence."""
    from safetensors import SafetensorError

    try:
        with quiet():
            yield
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise ConfigError(
            f"--encoder: {located.name}: its {what} cannot be loaded ({reason}). "
            "Check its files, or choose another encoder."
        ) from None


def load_model(located: Located, modality: str, device: torch.device) -> Any:  # noqa: ANN401 - theirs
    """The model, or its tower, that reads a modality: in single precision, for inference.

    Raises:
        ConfigError: it reads something else, generates, or its weights are not all there.
    """
    import transformers

    with _one_sentence(located, "configuration"):
        config = transformers.AutoConfig.from_pretrained(located.folder, local_files_only=True)
        config = getattr(config, TOWERS[modality], config)
        kind = transformers.MODEL_MAPPING[type(config)]
    _check_kind(located, modality, config, kind)
    with _one_sentence(located, "model"):
        model, told = transformers.AutoModel.from_pretrained(
            located.folder,
            config=config,
            dtype=torch.float32,
            local_files_only=True,
            output_loading_info=True,
        )
    lost = sorted(key for key in told["missing_keys"] if not any(part in key for part in UNUSED))
    if lost:
        raise ConfigError(
            f"--encoder: {located.name}: {len(lost)} weights are not in its files, such as "
            f"`{lost[0]}`; they would be random. Choose another encoder."
        )
    return model.eval().to(device)


def _check_kind(located: Located, modality: str, config: Any, kind: Any) -> None:  # noqa: ANN401
    """Refuse a model of another modality, and one that does not only encode."""
    reads = getattr(kind, "main_input_name", None)
    if reads != READS[modality]:
        raise ConfigError(
            f"--encoder: {located.name} is a {config.model_type} model, which reads {reads} and "
            f"no {modality}. Choose one for --modality {modality}."
        )
    if getattr(config, "is_encoder_decoder", False):
        raise ConfigError(
            f"--encoder: {located.name} is an encoder with a decoder ({config.model_type}). "
            "Choose an encoder alone."
        )


def load_tokenizer(located: Located) -> Any:  # noqa: ANN401 - a class of theirs
    """The tokenizer.

    Raises:
        ConfigError: there is none.
    """
    from transformers import AutoTokenizer

    with _one_sentence(located, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(located.folder, local_files_only=True)
    if len(tokenizer) <= len(tokenizer.all_special_ids):  # it makes one up where files are missing
        raise ConfigError(
            f"--encoder: {located.name}: its tokenizer has no words: a file of it is missing. "
            "Check its files, or choose another encoder."
        )
    return tokenizer


def load_processor(located: Located) -> Any:  # noqa: ANN401 - a class of theirs
    """The image processor, always the one that works with Pillow.

    The other one needs torchvision and rounds differently: features would depend on whether a
    package is installed.

    Raises:
        ConfigError: there is none.
    """
    from transformers import AutoImageProcessor

    with _one_sentence(located, "image processor"):
        return AutoImageProcessor.from_pretrained(
            located.folder, backend="pil", local_files_only=True
        )
