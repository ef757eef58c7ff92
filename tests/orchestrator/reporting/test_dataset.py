import numpy as np
import pandas as pd
import pytest

from orchestrator.diagnosis.statistics import Statistics
from orchestrator.reporting.dataset import draw_dataset


def found(lengths, popularity):
    return Statistics(
        sparsity=0.5,
        repeats=0,
        evaluated=len(lengths),
        lengths=np.array(lengths, np.int64),
        popularity=np.array(popularity, np.int64),
    )


def test_the_numbers_behind_the_figure_are_written(tmp_path):
    pdf, png, csv = draw_dataset("it", found([3, 5, 5], [7, 6, 0]), tmp_path / "it")
    assert pdf.read_bytes().startswith(b"%PDF")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert pd.read_csv(csv).to_numpy().tolist() == [
        ["length", 3, 1],
        ["length", 5, 2],
        ["popularity", 0, 1],
        ["popularity", 6, 1],
        ["popularity", 7, 1],
    ]


@pytest.mark.parametrize(
    ("lengths", "popularity"), [([1], [1]), ([2, 2], [4]), ([9000, 1], [9000, 1])]
)
def test_it_is_drawn_however_small_or_wide(tmp_path, lengths, popularity):
    assert len(draw_dataset("it", found(lengths, popularity), tmp_path / "it")) == 3


def test_equal_numbers_give_equal_bytes(tmp_path):
    first, second = (
        draw_dataset("it", found([3, 5, 5], [7, 6, 0]), tmp_path / name) for name in "ab"
    )
    assert [one.read_bytes() for one in first] == [one.read_bytes() for one in second]
