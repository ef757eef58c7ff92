import pytest
import torch

from models import TokenFeatures
from models.layers import retrieval
from models.layers.retrieval import (
    PackedTokens,
    attention_maps,
    in_chunks,
    prefers_absorbed,
    retrieve,
)

LENGTHS = [0, 3, 5, 0, 2, 5, 5, 7, 1]
DIM, WIDTH = 16, 24
SIZES = [(1, 1), (2, 2), (3, 4), (5, 16)]


@pytest.fixture
def features():
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(sum(LENGTHS), WIDTH, generator=generator)
    return TokenFeatures(values.half(), torch.tensor(LENGTHS))


@pytest.fixture
def tokens(features):
    return PackedTokens(features)


def drawn(num_queries):
    generator = torch.Generator().manual_seed(num_queries)
    shapes = ((len(LENGTHS), num_queries, DIM), (DIM, WIDTH), (DIM, WIDTH))
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


def alone(queries, key, value, features, heads):
    """Each item by itself, by torch's multi-head attention."""
    read = []
    for own, of in zip(queries, features.values.float().split(LENGTHS), strict=True):
        if not len(of):
            read.append(torch.zeros_like(own))
            continue
        attended, _ = torch.nn.functional.multi_head_attention_forward(
            own,
            of,
            of,
            embed_dim_to_check=DIM,
            num_heads=heads,
            in_proj_weight=None,
            in_proj_bias=torch.zeros(3 * DIM),
            bias_k=None,
            bias_v=None,
            add_zero_attn=False,
            dropout_p=0.0,
            out_proj_weight=torch.eye(DIM),
            out_proj_bias=torch.zeros(DIM),
            use_separate_proj_weight=True,
            q_proj_weight=torch.eye(DIM),
            k_proj_weight=key,
            v_proj_weight=value,
        )
        read.append(attended)
    return torch.stack(read)


def gradients(read, inputs):
    weights = torch.linspace(-1, 1, read.numel()).view_as(read)
    return torch.autograd.grad((read * weights).sum(), inputs)


@pytest.fixture(params=[True, False], ids=["absorbed", "keyed"])
def form(request, monkeypatch):
    monkeypatch.setattr(retrieval, "prefers_absorbed", lambda **_: request.param)
    return request.param


@pytest.mark.parametrize(("num_queries", "heads"), SIZES)
def test_both_forms_are_multi_head_attention_of_each_item(
    tokens, features, form, num_queries, heads
):
    inputs = drawn(num_queries)
    expected = alone(*inputs, features, heads)
    found = retrieve(*inputs, tokens, heads=heads)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    for one, other in zip(gradients(found, inputs), gradients(expected, inputs), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_gradients_are_those_of_finite_differences(form):
    features = TokenFeatures(torch.randn(7, 5).double(), torch.tensor([2, 0, 3, 2]))
    tokens = PackedTokens(features)
    inputs = [torch.randn(s).double().requires_grad_() for s in ((4, 2, 4), (4, 5), (4, 5))]
    assert torch.autograd.gradcheck(lambda *x: retrieve(*x, tokens, heads=2), inputs)


def test_the_forms_mix_by_length(tokens, features):
    chosen = {n: prefers_absorbed(length=n, queries=2, heads=1, dim=DIM) for n in set(LENGTHS)}
    assert set(chosen.values()) == {True, False}
    inputs = drawn(2)
    found = retrieve(*inputs, tokens, heads=1)
    torch.testing.assert_close(found, alone(*inputs, features, 1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("sizes", "absorbed"),
    [
        ({"length": 82, "queries": 2, "heads": 2, "dim": 64}, True),
        ({"length": 82, "queries": 16, "heads": 16, "dim": 64}, False),
        ({"length": 1, "queries": 2, "heads": 1, "dim": 64}, False),  # few tokens, cheaply formed
    ],
)
def test_the_cheaper_form_follows_from_the_sizes(sizes, absorbed):
    assert prefers_absorbed(**sizes) == absorbed


@pytest.mark.parametrize("limit", [1, 4 * WIDTH * 10])
def test_chunks_hold_every_item_with_tokens_once(tokens, monkeypatch, limit):
    whole = retrieve(*drawn(2), tokens, heads=2)
    monkeypatch.setitem(retrieval.CHUNK_BYTES, "cpu", limit)
    chunks = list(tokens.chunks())
    assert max(c.rows.stop - c.rows.start for c in chunks) <= max(1, limit // (4 * WIDTH * 2))
    items = [int(i) for c in chunks for i in tokens.order[c.rows]]
    assert sorted(items) == [i for i, length in enumerate(LENGTHS) if length]
    torch.testing.assert_close(retrieve(*drawn(2), tokens, heads=2), whole)


def test_nothing_read_is_padding(tokens, features):
    read = [tokens.read(chunk, torch.float32).flatten(0, 1) for chunk in tokens.chunks()]
    assert sum(map(len, read)) == sum(LENGTHS)
    rows = torch.cat(read).sort(dim=0).values
    torch.testing.assert_close(rows, features.values.float().sort(dim=0).values)


def test_tokens_that_lie_side_by_side_are_read_where_they_are():
    values = torch.randn(6, WIDTH)
    tokens = PackedTokens(TokenFeatures(values, torch.tensor([0, 2, 2, 2])))
    (chunk,) = tokens.chunks()
    assert chunk.packed == slice(0, 6)
    read = tokens.read(chunk, torch.float32)
    assert read.untyped_storage().data_ptr() == values.untyped_storage().data_ptr()


def test_one_items_tokens_are_its_own(tokens, features):
    for item, own in enumerate(features.values.split(LENGTHS)):
        torch.testing.assert_close(tokens.of(item), own)


def test_what_is_not_kept_is_formed_again(tokens, form, monkeypatch):
    inputs = drawn(3)
    kept = gradients(retrieve(*inputs, tokens, heads=4), inputs)
    monkeypatch.setattr(retrieval, "MAX_KEPT", 0)
    for one, other in zip(gradients(retrieve(*inputs, tokens, heads=4), inputs), kept, strict=True):
        torch.testing.assert_close(one, other)


def test_nothing_is_kept_where_no_gradient_is_wanted(tokens, form, monkeypatch):
    plans, original = [], retrieval._plan
    monkeypatch.setattr(
        retrieval, "_plan", lambda *a, **k: plans.append(original(*a, **k)) or plans[-1]
    )
    inputs = drawn(3)
    with torch.no_grad():
        evaluated = retrieve(*inputs, tokens, heads=4)
    torch.testing.assert_close(retrieve(*inputs, tokens, heads=4), evaluated)
    kept = [[work.kept is not None for work in plan] for plan in plans]
    assert [any(kept[0]), all(kept[1])] == [False, True]


def test_nothing_as_large_as_the_tokens_is_kept(form, monkeypatch):
    features = TokenFeatures(torch.randn(4000, 64), torch.tensor([0, *[20] * 200]))
    tokens, sizes = PackedTokens(features), []
    inputs = [torch.randn(s).requires_grad_() for s in ((201, 1, 4), (4, 64), (4, 64))]
    monkeypatch.setitem(retrieval.CHUNK_BYTES, "cpu", 4 * 64 * 20 * 10)

    def note(saved):
        sizes.append(saved.numel())
        return saved

    kept = torch.autograd.graph.saved_tensors_hooks(note, lambda x: x)
    with kept:
        node = retrieve(*inputs, tokens, heads=1).grad_fn
    while not hasattr(node, "plan"):
        node = node.next_functions[0][0]
    states = [work.kept.numel() for work in node.plan]
    assert sum(sizes) + sum(states) < features.values.numel() / 4


def test_bfloat16_is_close_and_gives_single_precision(tokens, form):
    inputs = drawn(2)
    exact = retrieve(*inputs, tokens, heads=2)
    with torch.autocast("cpu", torch.bfloat16):
        rough = retrieve(*inputs, tokens, heads=2)
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, exact)
    torch.testing.assert_close(rough, exact, rtol=0.1, atol=0.2)
    for one, other in zip(gradients(rough, inputs), gradients(exact, inputs), strict=True):
        assert (one - other).norm() < 0.05 * other.norm()


def test_maps_add_up_to_one_and_give_what_is_read(tokens, features):
    queries, key, value = drawn(3)
    items = torch.tensor([1, 3, 7])
    own = [tokens.of(int(item)) for item in items]
    maps = attention_maps(queries[items], key, own, heads=4)
    whole = retrieve(queries, key, value, tokens, heads=4)
    assert [m.shape for m in maps] == [(3, 4, LENGTHS[item]) for item in items]
    for item, weights, of in zip(items, maps, own, strict=True):
        by_head = (of.float() @ value.T).unflatten(1, (4, -1))
        read = torch.einsum("qht,thp->qhp", weights, by_head).flatten(1)
        torch.testing.assert_close(read, whole[item], rtol=1e-4, atol=1e-4)
        if len(of):
            torch.testing.assert_close(weights.sum(dim=2), torch.ones(3, 4))


def test_in_chunks_is_the_function_and_its_gradient(monkeypatch):
    layer, rows = torch.nn.Linear(3, 2), torch.randn(7, 3, requires_grad=True)
    inputs = [rows, *layer.parameters()]
    expected = gradients(in_chunks(layer, rows), inputs)
    calls = []
    monkeypatch.setattr(retrieval, "MAX_ROWS", 3)
    chunked = in_chunks(lambda x: calls.append(len(x)) or layer(x), rows)
    assert calls == [3, 3, 1]
    for one, other in zip(gradients(chunked, inputs), expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.gpu
def test_on_a_gpu_it_is_the_same(tokens, features, form):
    inputs = drawn(3)
    on_gpu = [x.detach().cuda().requires_grad_() for x in inputs]
    found = retrieve(*on_gpu, PackedTokens(features).cuda(), heads=4)
    expected = retrieve(*inputs, tokens, heads=4)
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-3, atol=1e-3)
    for one, other in zip(gradients(found.cpu(), on_gpu), gradients(expected, inputs), strict=True):
        torch.testing.assert_close(one.cpu(), other, rtol=1e-2, atol=1e-2)
