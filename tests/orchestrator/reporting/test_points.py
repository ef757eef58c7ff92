import pytest

from orchestrator.reporting.points import value_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1024.0, "1024"),  # a count that a frame made a float of
        (1024, "1024"),
        (2e9, "2e+09"),
        (0.0029871, "0.00299"),
        (float("nan"), "nan"),
        (1.0, "1"),
        (True, "on"),
        ((10, 20.5), "10, 20.5"),
        ("mlp", "mlp"),
    ],
)
def test_values_are_told_as_they_were_set(value, text):
    assert value_text(value) == text
