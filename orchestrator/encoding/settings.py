"""What an encoding is asked for, checked before anything is read."""

from collections.abc import Collection
from dataclasses import dataclass

from orchestrator.data import FORMS
from orchestrator.errors import ConfigError, unknown

MODALITIES = ("text", "image")
POOLINGS = ("cls", "mean")
DTYPES = ("float16", "float32")
DEFAULT_MAX_TOKENS = 64


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to encode one modality of a data set."""

    modality: str
    """``text`` or ``image``."""
    encoder: str
    """A folder, an installed package that carries an encoder, or a name on the Hugging Face hub."""
    forms: tuple[str, ...] = ("tokens", "pooled")
    """What to store: ``tokens`` (last hidden states), ``pooled`` (one vector), ``layers`` (the
    class token's state after the embedding and after each layer)."""
    pooling: str = "cls"
    """Pooled vector: ``cls`` is the class token's last state (of CLIP's towers what they give as
    pooled: the image's class token after a norm, the text's end token); ``mean`` is the mean over
    a text's tokens or a picture's patches."""
    max_tokens: int | None = None
    """Most tokens of a text, special ones counted; 64 or the encoder's limit unless set."""
    pool_patches: int | None = None
    """Average a picture's patches to a grid of so many by so many."""
    batch_size: int = 32
    """Items that the encoder is given at once."""
    device: str = "auto"
    revision: str | None = None
    """Commit, branch or tag on the hub."""
    dtype: str = "float16"
    """Of the stored values; the encoder computes in single precision."""

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ConfigError: names the option, its value and the rule.
        """
        _one_of("modality", self.modality, MODALITIES)
        _one_of("pooling", self.pooling, POOLINGS)
        _one_of("dtype", self.dtype, DTYPES)
        for form in self.forms:
            _one_of("form", form, FORMS, option="--forms")
        if not self.forms:
            raise ConfigError(f"--forms: cannot be empty. Choose of {', '.join(FORMS)}.")
        for option, number in (
            ("--max-tokens", self.max_tokens),
            ("--pool-patches", self.pool_patches),
            ("--batch-size", self.batch_size),
        ):
            if number is not None and number < 1:
                raise ConfigError(f"{option}: cannot be {number}: it must be at least 1.")
        self._check_options()

    def _check_options(self) -> None:
        """Refuse options of the other modality: they would be without effect."""
        if self.modality == "image" and self.max_tokens is not None:
            raise ConfigError("--max-tokens: is for texts, and --modality is image. Leave it out.")
        if self.modality == "text" and self.pool_patches is not None:
            raise ConfigError(
                "--pool-patches: is for pictures, and --modality is text. Leave it out."
            )

    @property
    def needs_class_token(self) -> bool:
        """Whether a form is read from the class token alone."""
        return "layers" in self.forms or ("pooled" in self.forms and self.pooling == "cls")


def _one_of(kind: str, value: str, known: Collection[str], option: str | None = None) -> None:
    if value not in known:
        raise ConfigError(f"{option or f'--{kind}'}: {unknown(kind, value, known)}")
