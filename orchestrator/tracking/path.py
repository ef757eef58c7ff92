"""The rule by which an ablation path is walked, for those who run it and those who draw it."""

from collections.abc import Mapping

Worth = Mapping[frozenset[str], float]
"""Settings that are changed -> mean validation NDCG@10 over all seeds, where all finished."""


def next_step(done: frozenset[str], worth: Worth) -> frozenset[str] | None:
    """What is changed after the next step; None where nothing goes on from here.

    Of what changes least beyond what is changed, the best; of equal ones the first listed.

    >>> next_step(frozenset(), {frozenset("a"): 0.1, frozenset("b"): 0.2, frozenset("ab"): 0.3})
    frozenset({'b'})
    """
    further = [changed for changed in worth if changed > done]
    if not further:
        return None
    least = min(map(len, further))
    return max((changed for changed in further if len(changed) == least), key=worth.__getitem__)


def walked(worth: Worth) -> list[frozenset[str]]:
    """The path from nothing changed, as far as it goes."""
    path = [frozenset[str]()]
    while (step := next_step(path[-1], worth)) is not None:
        path.append(step)
    return path
