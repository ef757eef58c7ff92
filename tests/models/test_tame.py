import dataclasses
import math
import re

import pytest
import torch

from models import Catalogue, History, Modality, TokenFeatures
from models.layers import retrieval
from models.tame import TAME, Gate, TAMEConfig
from orchestrator.training.optim import prepare_stage

SMALL = {"dim": 8, "text_queries": 3, "image_queries": 2, "text_heads": 2, "image_heads": 4}


@pytest.fixture
def tame_of(build, catalogue):
    """A TAME whose weights are large and random, so that every term of every equation shows."""

    def make(of=catalogue, **settings):
        model = build("tame", of, **{**SMALL, **settings})
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for parameter in model.parameters():
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.add_(0.3 * noise)
        return model

    return make


# The paper, equation by equation: one item, one head, one token at a time, in double precision.


def lin(module, x):
    y = module.weight.double() @ x
    return y if module.bias is None else y + module.bias.double()


def layer_norm(module, x):
    centred = x - x.mean()
    scaled = centred / (centred.square().mean() + module.eps).sqrt()
    return scaled * module.weight.double() + module.bias.double()


def gelu(x):
    return torch.stack([v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in x])


def ffn(module, x):
    return lin(module[2], gelu(lin(module[0], x)))


def attend(query, keys, values, heads):
    """softmax(q k / sqrt(d_h)) v of each head, concatenated."""
    width = len(query) // heads
    read = []
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        logits = [(query[part] @ key[part] / math.sqrt(width)).item() for key in keys]
        total = sum(math.exp(logit) for logit in logits)
        read.append(sum(math.exp(z) / total * v[part] for z, v in zip(logits, values, strict=True)))
    return torch.cat(read)


def self_attention(module, rows):
    projected = [lin(module.into, row).split(len(row)) for row in rows]  # q, k, v of each row
    keys, values = [k for _, k, _ in projected], [v for _, _, v in projected]
    return [lin(module.out, attend(q, keys, values, module.num_heads)) for q, _, _ in projected]


def retrieve(module, id_embedding, tokens):
    """Eq. 2-6: the vectors that an item's queries read."""
    rows = [*module.queries.double(), id_embedding]
    id_aware = self_attention(module.self_attention, rows)[:-1]  # eq. 3-4
    cross = module.cross_attention
    keys = [lin(cross.key, token) for token in tokens]
    values = [lin(cross.value, token) for token in tokens]
    found = []
    for query in id_aware:  # eq. 5
        if tokens:
            read = attend(lin(cross.query, query), keys, values, cross.num_heads)
        else:
            read = torch.zeros_like(query)
        read = lin(cross.out, read)
        found.append(layer_norm(module.norm, read + ffn(module.feed_forward, read)))  # eq. 6
    return found


def aggregate(gate, vectors):
    """Eq. 7-8."""
    weights = lin(gate.weights, torch.cat(vectors))
    return sum(weight * vector for weight, vector in zip(weights, vectors, strict=True))


def expert_weights(module, vectors):
    """Eq. 11-12 and the sum over experts of eq. 10, before it meets the embedding."""
    logits = lin(module.gate, torch.cat(vectors))
    gates = logits.exp() / logits.exp().sum()
    return sum(g * expert for g, expert in zip(gates, module.experts.double(), strict=True))


def encode(encoder, sequence):
    """Eq. 13: a causal post-norm Transformer; the state at the last position."""
    rows = [layer_norm(encoder.input_norm, x) for x in sequence]
    for block in encoder.blocks:
        read = [
            self_attention(block.attention, rows[: place + 1])[place] for place in range(len(rows))
        ]
        rows = [layer_norm(block.attention_norm, x + r) for x, r in zip(rows, read, strict=True)]
        rows = [layer_norm(block.feed_forward_norm, x + ffn(block.feed_forward, x)) for x in rows]
    return rows[-1]


def tokens_of(catalogue, name, item):
    features = catalogue.modality(name).tokens
    return list(features.values.split(features.lengths.tolist())[item].double())


def reference_scores(model, catalogue, history):
    """Eq. 2-14 for one user."""
    ids = model.item_ids.weight.double()
    retrieved = [
        {
            name: retrieve(module, ids[item], tokens_of(catalogue, name, item))
            for name, module in model.vectors.items()
        }
        for item in range(catalogue.num_items + 1)
    ]
    tables = {
        name: [aggregate(gate, of[name]) for of in retrieved] for name, gate in model.gates.items()
    }
    states = {}
    for name, encoder in model.encoders.items():
        sequence = []
        for place, item in enumerate(history):
            embedding = ids[item] if name == "id" else tables[name][item]
            x = embedding + model.positions[name].table.weight[place].double()  # eq. 9
            if name == "id":
                everything = [vector for vectors in retrieved[item].values() for vector in vectors]
                x = expert_weights(model.enrichment, everything) * x  # eq. 10
            sequence.append(x)
        states[name] = encode(encoder, sequence)
    return [
        sum(states[name] @ (ids if name == "id" else tables[name])[item] for name in states).item()
        for item in range(1, catalogue.num_items + 1)  # eq. 14
    ]


@torch.no_grad()
@pytest.mark.parametrize("history", [[3], [4, 6, 2, 12, 5], [1, 6, 3, 3]])
def test_scores_are_equations_2_to_14(tame_of, catalogue, history):
    model = tame_of()
    expected = torch.tensor(reference_scores(model, catalogue, history))
    found = model.scores(History(torch.tensor([[0, 0, *history]])))[0]
    assert expected.std() > 1.0  # the weights are such that an error would show
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_the_loss_is_equations_15_to_17(tame_of, batch_of):
    model = tame_of(temperature=0.5, contrast_weight=0.3)
    batch = batch_of([[3, 9, 1, 7], [4, 6, 3, 12, 9]])
    loss = model.loss(batch)
    cross_entropy, contrast, targets = [], [], batch.targets().tolist()
    for group in batch.groups:
        for items, wanted in zip(group.history.items, group.targets, strict=True):
            for place, target in enumerate(wanted.tolist()):
                if target:
                    prefix = History(items[None, : place + 1])
                    scores = model.scores(prefix)[0]
                    cross_entropy.append(scores.logsumexp(0) - scores[target - 1])
                    contrast.append(_contrast(model, prefix, target, targets))
    parts = torch.stack(cross_entropy).mean(), torch.stack(contrast).mean()
    torch.testing.assert_close(loss.parts["cross_entropy"], parts[0].detach())
    torch.testing.assert_close(loss.parts["contrast"], parts[1].detach())
    torch.testing.assert_close(loss.total, parts[0] + 0.3 * parts[1])


def _contrast(model, prefix, target, targets):
    """Eq. 16 for one state; 0.5 is tau."""
    state = model.encode(prefix, model.encode_items())[0, -1, : model.config.dim]
    others = [target, *(item for item in targets if item != target)]
    rows = model.item_ids.weight[others]
    logits = torch.nn.functional.cosine_similarity(state[None], rows) / 0.5
    return logits.logsumexp(0) - logits[0]


def test_without_contrast_there_is_none(tame_of, batch_of):
    loss = tame_of(contrast_weight=0.0).loss(batch_of([[3, 9, 1, 7]]))
    assert loss.parts.keys() == {"cross_entropy"}
    assert loss.total == loss.parts["cross_entropy"]


def test_retrieving_in_chunks_changes_neither_scores_nor_gradients(
    tame_of, batch_of, histories, monkeypatch
):
    model, batch = tame_of(), batch_of([[3, 9, 1, 7], [4, 6, 3, 12, 9]])

    def run():
        model.zero_grad(set_to_none=True)
        model.loss(batch).total.backward()
        grads = {name: p.grad for name, p in model.named_parameters()}
        with torch.inference_mode():
            return model.scores(histories), grads

    scores, grads = run()
    for rows in (1, 5):  # of what is computed item by item; beyond it, it is computed anew
        monkeypatch.setattr(retrieval, "MAX_ROWS", rows)
        chunked_scores, chunked = run()
        torch.testing.assert_close(chunked_scores, scores, rtol=1e-4, atol=1e-4)
        for name, grad in grads.items():
            bound = 1e-4 * grad.abs().max().item() + 1e-7
            torch.testing.assert_close(chunked[name], grad, rtol=0, atol=bound, msg=name)


@torch.no_grad()
def test_maps_are_the_attention_of_equation_5(tame_of, catalogue):
    model = tame_of()
    items = torch.tensor([3, 6, 11])
    maps = model.attention(items)
    for name, (num_queries, num_heads) in model.config.modalities().items():
        retriever = model.vectors[name]
        for item, found in zip(items.tolist(), maps[name], strict=True):
            tokens = tokens_of(catalogue, name, item)
            assert found.shape == (num_queries, num_heads, len(tokens))
            rows = [*retriever.queries.double(), model.item_ids.weight[item].double()]
            id_aware = self_attention(retriever.self_attention, rows)[:-1]
            for own, query in zip(found, id_aware, strict=True):
                expected = _weights(retriever.cross_attention, query, tokens)
                torch.testing.assert_close(own.double(), expected, rtol=1e-4, atol=1e-5)


def _weights(module, query, tokens):
    """softmax(q k / sqrt(d_h)) of each head."""
    if not tokens:
        return torch.zeros(module.num_heads, 0).double()
    keys = torch.stack([lin(module.key, token) for token in tokens])
    keys, query = (
        x.unflatten(-1, (module.num_heads, -1)) for x in (keys, lin(module.query, query))
    )
    return torch.einsum("hp,thp->ht", query / query.shape[-1] ** 0.5, keys).softmax(dim=-1)


def test_maps_are_of_retrievers_alone(tame_of):
    assert tame_of(use_retriever=False).attention(torch.tensor([3])) == {}
    assert set(tame_of(use_text=False).attention(torch.tensor([3]))) == {"image"}


@torch.no_grad()
def test_items_without_a_modality_share_what_is_retrieved(catalogue, tame_of):
    text = catalogue.modality("text")
    gone = torch.tensor([2, 9])
    parts = list(text.tokens.values.split(text.tokens.lengths.tolist()))
    lengths = text.tokens.lengths.clone()
    lengths[gone] = 0
    for item in gone:
        parts[item] = parts[item][:0]
    changed = dataclasses.replace(text, tokens=TokenFeatures(torch.cat(parts), lengths))
    model = tame_of(
        dataclasses.replace(catalogue, modalities={**catalogue.modalities, "text": changed})
    )
    items = model.encode_items()
    assert all(table.isfinite().all() for table in items.values())
    vectors = model.vectors["text"](model.item_ids.weight)
    # Items 2, 6 and 9 have no text; their ids differ, yet what they retrieve is one and the same.
    torch.testing.assert_close(vectors[[2, 9]], vectors[[6, 6]])
    torch.testing.assert_close(items["text"][[2, 9]], items["text"][[6, 6]])
    assert not torch.allclose(vectors[2], vectors[3])


def test_missing_items_give_finite_gradients(tame_of, batch_of):
    model = tame_of()
    model.loss(batch_of([[6, 3, 6, 3], [3, 6, 1]])).total.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


@torch.no_grad()
def test_the_id_of_an_item_decides_what_its_queries_read(tame_of):
    model = tame_of()
    retriever, ids = model.vectors["text"], model.item_ids.weight.clone()
    before = retriever(ids)
    ids[3] = -ids[3]
    after = retriever(ids)
    assert not torch.allclose(after[3], before[3])
    torch.testing.assert_close(after[[1, 2, 4, 5]], before[[1, 2, 4, 5]])


def without(catalogue, **dropped):
    kept = {
        name: dataclasses.replace(modality, **{dropped[name]: None} if name in dropped else {})
        for name, modality in catalogue.modalities.items()
    }
    return dataclasses.replace(catalogue, modalities=kept)


@torch.no_grad()
def test_pooled_features_alone_are_one_token(tame_of, catalogue, histories):
    both = {"text": "tokens", "image": "tokens"}
    model = tame_of(without(catalogue, **both))
    assert model.input_forms() == dict.fromkeys(both, "pooled (one token)")
    single = {}
    for name, modality in catalogue.modalities.items():
        present = modality.tokens.lengths > 0
        tokens = TokenFeatures(modality.pooled[present], present.long())
        single[name] = Modality(name=name, tokens=tokens)
    same = tame_of(Catalogue(12, single))
    assert same.input_forms() == dict.fromkeys(both, "tokens")
    torch.testing.assert_close(model.scores(histories), same.scores(histories))


def test_one_token_is_read_as_two_equal_ones_are(tame_of, catalogue, histories):
    pooled = without(catalogue, text="tokens", image="tokens")
    one = tame_of(pooled)
    twice = {}
    for name, vectors in one.vectors.items():
        values, lengths = vectors.tokens.values, vectors.tokens.is_present.long()
        tokens = TokenFeatures(values.repeat_interleave(2, dim=0), 2 * lengths)
        twice[name] = Modality(name=name, tokens=tokens)
    two = tame_of(Catalogue(12, twice))
    torch.testing.assert_close(one.scores(histories), two.scores(histories), rtol=1e-4, atol=1e-3)
    for model in (one, two):
        model.scores(histories).square().mean().backward()
    expected = {name: parameter.grad for name, parameter in two.named_parameters()}
    for name, parameter in one.named_parameters():
        given = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(given, expected[name], rtol=1e-3, atol=1e-3)


def test_each_modality_takes_the_best_form_it_has(tame_of, catalogue):
    model = tame_of(without(catalogue, image="tokens"))
    assert model.input_forms() == {"text": "tokens", "image": "pooled (one token)"}
    plain = tame_of(use_retriever=False)
    assert plain.input_forms() == {"text": "pooled", "image": "pooled"}


@torch.no_grad()
def test_pooled_features_of_all_items_stay_in_their_file(tame_of, catalogue):
    text = dataclasses.replace(catalogue.modality("text"), tokens=None, missing=None)
    model = tame_of(Catalogue(12, {"text": text}), use_image=False)
    values = model.vectors["text"].tokens.values
    assert values.untyped_storage().data_ptr() == text.pooled.untyped_storage().data_ptr()
    assert model.vectors["text"].tokens.is_present.tolist() == [False, *[True] * 12]


@torch.no_grad()
def test_without_pooled_features_the_mlp_takes_the_mean_of_the_tokens(
    tame_of, catalogue, histories
):
    model = tame_of(without(catalogue, text="pooled", image="pooled"), use_retriever=False)
    same = tame_of(use_retriever=False)
    torch.testing.assert_close(model.scores(histories), same.scores(histories))


def names_of(model):
    return {name for name, _ in model.named_parameters()}


@pytest.mark.parametrize(("switch", "gone"), [("use_text", "text"), ("use_image", "image")])
def test_a_modality_goes_with_everything_that_is_its_own(tame_of, switch, gone):
    model = tame_of(**{switch: False})
    left = ({"text", "image"} - {gone}).pop()
    assert not [name for name in names_of(model) if gone in name]
    assert [name for name in names_of(model) if left in name]
    assert set(model.encoders) == set(model.positions) == {"id", left}
    assert model.enrichment.experts.shape == (SMALL[f"{left}_queries"], 8)
    assert set(model.input_forms()) == {left}


def test_a_modality_that_is_off_is_not_asked_of_the_data_set(tame_of, catalogue):
    only_text = Catalogue(12, {"text": catalogue.modality("text")})
    assert tame_of(only_text, use_image=False).input_forms() == {"text": "tokens"}


@torch.no_grad()
def test_without_enrichment_ids_enter_their_encoder_as_they_are(tame_of, catalogue):
    model = tame_of(use_enrichment=False)
    assert names_of(tame_of()) - names_of(model) == {
        "enrichment.experts",
        "enrichment.gate.weight",
        "enrichment.gate.bias",
    }
    items = model.encode_items()
    history = History(torch.tensor([[3, 9, 1]]))
    x = items["id"][history.items] + model.positions["id"](history.is_item)
    expected = model.encoders["id"](x, history.is_item)
    torch.testing.assert_close(model.encode(history, items)[..., :8], expected)


def test_without_retriever_an_mlp_makes_as_many_vectors(tame_of):
    model = tame_of(use_retriever=False)
    left = names_of(model)
    assert not [name for name in left if "attention" in name and name.startswith("vectors.")]
    assert not [name for name in left if "queries" in name]
    assert {"vectors.text.mlp.0.weight", "vectors.image.mlp.2.bias"} <= left
    ids = model.item_ids.weight
    assert model.vectors["text"](ids).shape == (13, 3, 8)
    torch.testing.assert_close(model.vectors["image"](ids), model.vectors["image"](-ids))
    full = tame_of()
    assert full.enrichment.experts.shape == model.enrichment.experts.shape
    assert {n for n in names_of(full) if not n.startswith("vectors.")} == {
        n for n in left if not n.startswith("vectors.")
    }


@pytest.mark.parametrize("activation", ["none", "softmax"])
def test_the_gate_is_linear_unless_it_is_told_otherwise(activation):
    torch.manual_seed(0)
    gate, vectors = Gate(8, 3, activation), torch.randn(5, 3, 8)
    weights = vectors.flatten(1) @ gate.weights.weight.T + gate.weights.bias
    if activation == "softmax":
        weights = weights.softmax(dim=1)
    expected = sum(weights[:, [q]] * vectors[:, q] for q in range(3))
    torch.testing.assert_close(gate(vectors), expected)


def test_the_gates_activation_reaches_the_model(tame_of, histories):
    one, other = tame_of(gate_activation="none"), tame_of(gate_activation="softmax")
    assert names_of(one) == names_of(other)
    assert not torch.allclose(one.scores(histories), other.scores(histories))


@pytest.mark.parametrize(
    ("switch", "unused", "used"),
    [
        ({"use_text": False}, {"text_queries": 5, "text_heads": 8}, {"image_queries": 5}),
        ({"use_image": False}, {"image_queries": 5, "image_heads": 8}, {"text_heads": 8}),
        ({"use_retriever": False}, {"text_heads": 8, "image_heads": 8}, {"text_queries": 5}),
        ({"contrast_weight": 0.0}, {"temperature": 0.5}, {"gate_activation": "softmax"}),
    ],
)
def test_what_a_switch_leaves_unused_makes_no_other_run(
    build, catalogue, histories, switch, unused, used
):
    plain = TAMEConfig(dim=8, **switch)
    other = dataclasses.replace(plain, **unused)
    assert other.canonical() == plain.canonical()
    assert dataclasses.replace(plain, **used).canonical() != plain.canonical()
    assert plain.canonical().canonical() == plain.canonical()
    scores = [
        build("tame", catalogue, **vars(config)).scores(histories) for config in (plain, other)
    ]
    assert torch.equal(*scores)
    assert TAMEConfig(**unused).canonical() == TAMEConfig(**unused)


def test_experts_start_near_one(build):
    experts = build("tame", dim=64, text_queries=8, image_queries=8).enrichment.experts
    assert experts.mean().item() == pytest.approx(1.0, abs=0.01)
    assert experts.std().item() == pytest.approx(0.02, rel=0.2)


def test_every_weight_is_drawn_and_padding_starts_at_zero(build):
    model = build("tame")
    (stage,) = model.stages()
    assert prepare_stage(model, stage).keys() == names_of(model)
    assert not model.item_ids.weight[0].any()
    assert all(p.isfinite().all() and p.abs().max() < 5 for p in model.parameters())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text_heads": 3}, "`text_heads` cannot be 3: it must divide `dim` = 64."),
        ({"image_heads": 128}, "`image_heads` cannot be 128: it must divide `dim` = 64."),
        ({"num_heads": 0}, "`num_heads` cannot be 0: it must be at least 1."),
        ({"dim": 60, "num_heads": 8}, "`num_heads` cannot be 8: it must divide `dim` = 60."),
        ({"text_queries": 0}, "`text_queries` cannot be 0: it must be at least 1."),
        ({"temperature": 0.0}, "`temperature` cannot be 0.0: it must be above 0 and finite."),
        ({"temperature": math.nan}, "`temperature` cannot be nan: it must be above 0 and finite."),
        ({"contrast_weight": -0.1}, "`contrast_weight` cannot be -0.1: it must be at least 0."),
        ({"dropout": 1.0}, "`dropout` cannot be 1.0: it must be in [0, 1)."),
        (
            {"use_text": False, "use_image": False},
            "`use_image` cannot be False with `use_text` False: TAME needs one.",
        ),
    ],
)
def test_impossible_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        TAMEConfig(**settings)


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (("text",), "the data set has no `image` features; it has text."),
        ((), "the data set has no `text` features; it has no features at all."),
    ],
)
def test_a_data_set_without_a_modality_is_refused_in_a_sentence(catalogue, kept, message):
    few = Catalogue(12, {name: catalogue.modality(name) for name in kept})
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        TAME(TAMEConfig(), few)


def test_heads_over_a_single_token_are_told_to_change_nothing(build, catalogue):
    pooled = dataclasses.replace(catalogue.modality("text"), tokens=None)
    single = dataclasses.replace(catalogue, modalities={**catalogue.modalities, "text": pooled})
    model = TAME(build("tame").config, single)
    assert set(model.inert_settings()) == {"text_heads"}
    assert set(TAME(build("tame").config, catalogue).inert_settings()) == set()
