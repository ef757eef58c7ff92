"""Texts: tokenized at once, encoded in batches of like length so that little is padding."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Int32
from torch import Tensor

from orchestrator.encoding.loading import load_model, load_tokenizer, quiet
from orchestrator.encoding.locate import Located
from orchestrator.encoding.settings import DEFAULT_MAX_TOKENS, Settings
from orchestrator.encoding.tower import Plan, States, Tower, class_states
from orchestrator.errors import ConfigError

CHUNK = 1024
"""Texts that are tokenized at once."""
END_POOLED = ("clip_text_model",)
"""Models that read from left to right and gather a text in its end token."""


class TextTower(Tower):
    """A text encoder with the texts of a data set's items."""

    def __init__(
        self, located: Located, settings: Settings, texts: Sequence[str], device: torch.device
    ) -> None:
        self._model = load_model(located, "text", device)
        self._tokenizer = load_tokenizer(located)
        self._settings, self._device = settings, device
        self._max_tokens = _max_tokens(located, settings, self._tokenizer, self._model)
        self._reads_end = self._model.config.model_type in END_POOLED
        self._ids = self._tokenized(texts)
        self.plan = self._plan(texts)
        self._check_class_token(located)

    def _tokenized(self, texts: Sequence[str]) -> dict[int, Int32[np.ndarray, " tokens"]]:
        """Token ids of every item that has a text."""
        ids: dict[int, Int32[np.ndarray, " tokens"]] = {}
        for items in _chunks([item for item, text in enumerate(texts) if text.strip()]):
            rows = self._tokenize([texts[item] for item in items], max_length=self._max_tokens)
            ids |= {i: np.asarray(row, np.int32) for i, row in zip(items, rows, strict=True)}
        return ids

    def _tokenize(self, texts: list[str], max_length: int | None) -> list[list[int]]:
        with quiet():
            limit = {"truncation": True, "max_length": max_length} if max_length else {}
            rows: list[list[int]] = self._tokenizer(texts, **limit)["input_ids"]
        return rows

    def _plan(self, texts: Sequence[str]) -> Plan:
        lengths = np.zeros(len(texts), np.int32)
        for item, ids in self._ids.items():
            lengths[item] = len(ids)
        present = np.flatnonzero(lengths).astype(np.int32)
        config = self._model.config
        return Plan(
            order=present[np.argsort(lengths[present], kind="stable")],
            lengths=lengths,
            width=config.hidden_size,
            num_layers=config.num_hidden_layers + 1,
            num_cut=self._num_cut(texts, np.flatnonzero(lengths == self._max_tokens).tolist()),
        )

    def _num_cut(self, texts: Sequence[str], full: list[int]) -> int:
        """How many of the texts that fill the limit are longer than it."""
        return sum(
            len(row) > self._max_tokens
            for items in _chunks(full)
            for row in self._tokenize([texts[item] for item in items], max_length=None)
        )

    def _check_class_token(self, located: Located) -> None:
        """Refuse to read a class token where texts begin with none."""
        start = self._tokenizer.cls_token_id
        begins = all(ids[0] == start for ids in self._ids.values())
        if self._settings.needs_class_token and not (self._reads_end or begins):
            raise ConfigError(
                f"--encoder: {located.name} puts no class token before a text, which "
                "--pooling cls and the form `layers` read. Take --pooling mean and no layers."
            )

    def encode(self, items: Sequence[int]) -> States:
        """States of some items' texts, padded to the longest of them for the model alone."""
        ids, mask = self._padded(items)
        output = self._model(
            input_ids=ids,
            attention_mask=mask,
            output_hidden_states="layers" in self._settings.forms,
        )
        last, real = output.last_hidden_state, mask.bool()
        at = mask.sum(dim=1) - 1 if self._reads_end else torch.zeros_like(mask[:, 0])
        if self._settings.pooling == "mean":
            pooled = (last * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1)[:, None]
        else:
            pooled = last[torch.arange(len(at), device=at.device), at]
        layers = None
        if "layers" in self._settings.forms:
            layers = class_states(output.hidden_states, at).cpu()
        return States(last[real].cpu(), pooled.cpu(), layers)

    def _padded(
        self, items: Sequence[int]
    ) -> tuple[Int[Tensor, "batch tokens"], Int[Tensor, "batch tokens"]]:
        """Token ids, padded on the right, and where they are real."""
        rows = [torch.from_numpy(self._ids[item]).long() for item in items]
        padding = self._tokenizer.pad_token_id or 0
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=padding)
        lengths = torch.tensor([len(row) for row in rows])
        mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        return ids.to(self._device), mask.to(self._device)

    def words(self) -> list[str]:
        """The tokenizer's own pieces, special ones among them."""
        ids = [int(token) for item in sorted(self._ids) for token in self._ids[item]]
        pieces = {token: str(self._tokenizer.convert_ids_to_tokens(token)) for token in set(ids)}
        return [pieces[token] for token in ids]

    def preprocessing(self) -> Mapping[str, Any]:
        """The limit on tokens is all there is: the tokenizer goes by the encoder's revision."""
        return {"max_tokens": self._max_tokens}


def _chunks(items: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def _max_tokens(located: Located, settings: Settings, tokenizer: Any, model: Any) -> int:  # noqa: ANN401
    """The limit on a text's tokens: what was asked for, where the encoder reads so many."""
    limit = min(tokenizer.model_max_length, _num_positions(model))
    least = tokenizer.num_special_tokens_to_add() + 1
    chosen = settings.max_tokens
    if chosen is None:
        return int(min(DEFAULT_MAX_TOKENS, limit))
    if not least <= chosen <= limit:
        raise ConfigError(
            f"--max-tokens: cannot be {chosen}: {located.name} reads {least} to {limit} tokens, "
            "special ones counted. Choose one of these."
        )
    return chosen


def _num_positions(model: Any) -> int:  # noqa: ANN401 - a class of theirs
    """Positions that a model knows; RoBERTa and its kin count them from behind the padding's."""
    table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    num: int = getattr(model.config, "max_position_embeddings", 10**9)
    return num if padding is None else num - padding - 1
