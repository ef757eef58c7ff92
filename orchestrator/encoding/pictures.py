"""Pictures: read one by one, encoded in batches, their patches averaged where asked for."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from orchestrator.encoding.loading import load_model, load_processor
from orchestrator.encoding.locate import Located
from orchestrator.encoding.settings import Settings
from orchestrator.encoding.tower import Plan, States, Tower, class_states
from orchestrator.errors import ConfigError, DataError

if TYPE_CHECKING:
    from PIL.Image import Image

POOLER_NORMS = ("clip_vision_model", "chinese_clip_vision_model", "altclip_vision_model")
"""Models whose last states lack the norm that they put on the class token they give as pooled."""


class ImageTower(Tower):
    """An image encoder with the pictures of a data set's items."""

    def __init__(
        self,
        located: Located,
        settings: Settings,
        images: Sequence[Path | None],
        device: torch.device,
    ) -> None:
        self._model = load_model(located, "image", device)
        self._processor = load_processor(located)
        self._settings, self._device, self._images = settings, device, images
        self._grid, self._num_special = self._measured(located)
        self.plan = self._plan()

    def _measured(self, located: Located) -> tuple[tuple[int, int], int]:
        """Rows and columns of patches, and the tokens before them, as a blank picture shows."""
        from PIL import Image

        pixels = self._pixels([Image.new("RGB", (64, 64))])
        height, width = pixels.shape[2:]
        size = _patch_size(located, self._model.config)
        grid = (height // size[0], width // size[1])
        try:
            with torch.inference_mode():
                last = self._model(pixel_values=pixels.to(self._device)).last_hidden_state
        except (ValueError, RuntimeError) as error:
            raise ConfigError(
                f"--encoder: {located.name}: cannot read a picture ({error})."
            ) from None
        num_special = last.shape[1] - grid[0] * grid[1] if last.ndim == 3 else -1
        self._check(located, grid, num_special)
        return grid, num_special

    def _check(self, located: Located, grid: tuple[int, int], num_special: int) -> None:
        if num_special < 0:
            raise ConfigError(
                f"--encoder: {located.name} gives no token per patch of a picture. Choose a "
                "vision transformer, such as ViT, DINOv2 or CLIP."
            )
        if num_special == 0 and self._settings.needs_class_token:
            raise ConfigError(
                f"--encoder: {located.name} has no class token, which --pooling cls and the form "
                "`layers` read. Take --pooling mean and no layers."
            )
        wanted = self._settings.pool_patches
        if wanted is not None and wanted > min(grid):
            raise ConfigError(
                f"--pool-patches: cannot be {wanted}: {located.name} gives {grid[0]} x {grid[1]} "
                f"patches. Choose at most {min(grid)}."
            )

    @property
    def _kept_grid(self) -> tuple[int, int]:
        """Rows and columns of patches that are stored."""
        wanted = self._settings.pool_patches
        return self._grid if wanted is None else (wanted, wanted)

    def _plan(self) -> Plan:
        patches = math.prod(self._kept_grid)
        present = np.array([image is not None for image in self._images])
        return Plan(
            order=np.flatnonzero(present).astype(np.int32),
            lengths=np.where(present, self._num_special + patches, 0).astype(np.int32),
            width=self._model.config.hidden_size,
            num_layers=self._model.config.num_hidden_layers + 1,
        )

    def encode(self, items: Sequence[int]) -> States:
        """States of some items' pictures."""
        pixels = self._pixels([read_picture(self._images[item]) for item in items])
        output = self._model(
            pixel_values=pixels.to(self._device),
            output_hidden_states="layers" in self._settings.forms,
        )
        last = output.last_hidden_state
        layers = None
        if "layers" in self._settings.forms:
            first = torch.zeros(len(last), dtype=torch.long, device=last.device)
            layers = class_states(output.hidden_states, first).cpu()
        return States(self._tokens(last).flatten(0, 1).cpu(), self._pooled(output).cpu(), layers)

    def _tokens(self, last: Float[Tensor, "batch all width"]) -> Float[Tensor, "batch kept width"]:
        """The special tokens as they are, and the patches, averaged where asked for."""
        if self._settings.pool_patches is None:
            return last
        special, patches = last[:, : self._num_special], last[:, self._num_special :]
        return torch.cat(
            [special, pool_patches(patches, self._grid, self._settings.pool_patches)], 1
        )

    def _pooled(self, output: Any) -> Float[Tensor, "batch width"]:  # noqa: ANN401 - theirs
        last = output.last_hidden_state
        if self._settings.pooling == "mean":
            return last[:, self._num_special :].mean(dim=1)
        if self._model.config.model_type in POOLER_NORMS:
            return output.pooler_output
        return last[:, 0]

    def _pixels(self, pictures: "list[Image]") -> Float[Tensor, "batch 3 height width"]:
        return self._processor(images=pictures, return_tensors="pt")["pixel_values"].float()

    def words(self) -> list[str]:
        """Of each picture its special tokens, then its patches by row and column."""
        rows, columns = self._kept_grid
        registers = getattr(self._model.config, "num_register_tokens", 0)
        kind = "register" if registers == self._num_special - 1 else "special"
        special = ["class", *(f"{kind} {n}" for n in range(1, self._num_special))]
        patches = [f"patch {y},{x}" for y in range(1, rows + 1) for x in range(1, columns + 1)]
        names = [*special[: self._num_special], *patches]
        return names * len(self.plan.order)

    def preprocessing(self) -> Mapping[str, Any]:
        """What the image processor does, and how patches are pooled."""
        told = self._processor.to_dict()
        keys = ("size", "crop_size", "resample", "rescale_factor", "image_mean", "image_std")
        used = {
            "size": told.get("do_resize"),
            "crop_size": told.get("do_center_crop"),
            "resample": told.get("do_resize"),
            "rescale_factor": told.get("do_rescale"),
            "image_mean": told.get("do_normalize"),
            "image_std": told.get("do_normalize"),
        }
        return {
            "processor": told.get("image_processor_type"),
            **{key: _plain(told.get(key)) if used[key] else None for key in keys},
            "patches": list(self._grid),
            "pool_patches": self._settings.pool_patches,
        }


def pool_patches(
    patches: Float[Tensor, "batch patches width"], grid: tuple[int, int], wanted: int
) -> Float[Tensor, "batch pooled width"]:
    """Average a grid of patches, row after row, to ``wanted`` by ``wanted`` of them.

    Where the sides are no multiple of it, neighbouring cells share a row or column of patches.
    """
    maps = patches.transpose(1, 2).unflatten(2, grid)
    return adaptive_avg_pool2d(maps, wanted).flatten(2).transpose(1, 2)


def read_picture(path: Path | None) -> "Image":
    """A picture upright and in three colours, whatever it is stored in.

    Raises:
        DataError: it cannot be read.
    """
    from PIL import Image, ImageOps

    assert path is not None
    try:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture)
            return _eight_bits(upright).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{path}: cannot be read as a picture ({error}). Replace it or take it away where it "
            "came from, and import the data set again."
        ) from None


def _eight_bits(picture: "Image") -> "Image":
    """Grey values of 16 bits as 8 bits; Pillow's own conversion would cut them off at 255."""
    from PIL import Image

    if not picture.mode.startswith("I"):
        return picture
    return Image.fromarray((np.asarray(picture, np.int64) // 257).clip(0, 255).astype(np.uint8))


def _patch_size(located: Located, config: Any) -> tuple[int, int]:  # noqa: ANN401 - theirs
    size = getattr(config, "patch_size", None)
    if isinstance(size, int):
        return size, size
    if isinstance(size, tuple | list) and len(size) == 2:
        return int(size[0]), int(size[1])
    raise ConfigError(
        f"--encoder: {located.name} ({config.model_type}) does not cut pictures into patches. "
        "Choose a vision transformer, such as ViT, DINOv2 or CLIP."
    )


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Tuples as lists, so that what is written comes back equal."""
    return list(value) if isinstance(value, tuple) else value
