"""The part of a picture that an encoder's patches lie on, as the manifest's preprocessing says."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from orchestrator.encoding.pictures import read_picture

if TYPE_CHECKING:
    from PIL.Image import Image


def picture_seen(
    path: Path, preprocessing: Mapping[str, Any]
) -> UInt8[np.ndarray, "height width 3"] | None:
    """A picture as an encoder saw it: resized and cropped, and cut to whole patches.

    Args:
        path: of the picture.
        preprocessing: of the tokens, from the manifest.

    Returns:
        None where the preprocessing is of a kind that is not known here, so that patches could not
        be laid on the picture.

    Raises:
        DataError: the picture cannot be read.
    """
    picture = _resized(read_picture(path), preprocessing)
    rows, columns = preprocessing["patches"]
    if picture is None:
        return None
    picture = _cropped(picture, preprocessing.get("crop_size"))
    height, width = picture.height // rows * rows, picture.width // columns * columns
    return np.asarray(picture)[:height, :width]  # what is left over is in no patch


def _resized(picture: "Image", preprocessing: Mapping[str, Any]) -> "Image | None":
    size = preprocessing.get("size")
    if size is None:
        return picture
    match size:
        case {"height": int(height), "width": int(width)}:
            target = (width, height)
        case {"shortest_edge": int(edge), **others} if not others:
            short = min(picture.size)
            target = (edge * picture.width // short, edge * picture.height // short)
        case _:
            return None
    return picture.resize(target, preprocessing.get("resample"))


def _cropped(picture: "Image", crop: Mapping[str, int] | None) -> "Image":
    """The middle of a picture; black is laid around one that is smaller."""
    if crop is None:
        return picture
    left, top = (picture.width - crop["width"]) // 2, (picture.height - crop["height"]) // 2
    return picture.crop((left, top, left + crop["width"], top + crop["height"]))
