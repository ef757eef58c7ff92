import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.tracking.names import final_name, from_mlflow, param_text, param_value, to_mlflow


@pytest.mark.parametrize("name", ["val/ndcg@10", "test/recall@20", "seconds", "loss/total"])
def test_metric_names_come_back_and_never_hold_an_at_sign(name):
    assert "@" not in to_mlflow(name)
    assert from_mlflow(to_mlflow(name)) == name


def test_final_validation_figures_do_not_share_the_name_of_their_curve():
    assert final_name("val/ndcg@10") == "best/val/ndcg_at_10"
    assert final_name("test/ndcg@10") == "test/ndcg_at_10"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4, "4"),
        (0.001, "0.001"),
        (True, "true"),
        ("sum", "sum"),
        ("4", '"4"'),
        ("", '""'),
        ((5, 10), "[5, 10]"),
        (None, "null"),
    ],
)
def test_settings_are_readable_text(value, text):
    assert param_text(value) == text
    assert param_value(text) == value


@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.text()))
def test_every_setting_comes_back_with_its_type(value):
    back = param_value(param_text(value))
    assert back == value
    assert type(back) is type(value)
