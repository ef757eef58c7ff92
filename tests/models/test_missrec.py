import pytest
import torch
import torch.nn.functional as F

from models import History, Prefixes
from models.missrec import MISSRecConfig

from .conftest import SEQUENCES


@pytest.fixture
def batch(batch_of):
    return batch_of(SEQUENCES, samples=Prefixes())


def test_each_cluster_of_a_user_is_read_once(build):
    interests = build("missrec").interests
    interests.clusters.zero_()
    interests.clusters[3] = torch.tensor([5, 2])
    interests.clusters[9] = torch.tensor([2, 0])
    interests.clusters[1] = torch.tensor([5, 7])
    found = interests.of(torch.tensor([[0, 3, 9, 1], [0, 0, 0, 9]]))
    assert found.tolist() == [[7, 5, 2], [2, 0, 0]]


def test_centroids_are_means_of_what_belongs_to_them(build):
    model = build("missrec", cluster_ratio=0.2)
    interests, adapted = model.interests, model.tables()
    assert len(interests.centroids) == 1 + 5  # of 22 texts and pictures
    for cluster in range(1, 6):
        own = torch.cat(
            [adapted[name][interests.clusters[:, place] == cluster]
             for place, name in enumerate(("text", "image"))]
        )  # fmt: skip
        torch.testing.assert_close(interests.centroids[cluster], own.mean(dim=0))
    assert not interests.centroids[0].any()


def test_clusters_follow_the_adaptors_from_epoch_to_epoch(build):
    model = build("missrec")
    before = model.interests.centroids.clone()
    with torch.no_grad():
        model.adaptors["text"].map.weight.mul_(-3)
    assert torch.equal(model.interests.centroids, before)
    model.start_epoch(model.stages()[0], 2)
    assert not torch.equal(model.interests.centroids, before)


def test_what_an_item_lacks_is_in_no_cluster_and_in_no_score(build, histories):
    """Items 6 and 3 of the tiny catalogue have no text, and no picture."""
    model = build("missrec", use_ids=False)
    assert model.interests.clusters[6].tolist()[0] == 0
    assert model.interests.clusters[3].tolist()[1] == 0
    tables = model.tables()
    assert not tables["text"][6].any()
    state = model.encode(histories, tables)[:, -1]
    fit = model.scores(histories)
    expected = F.cosine_similarity(state, tables["image"][[6]])
    torch.testing.assert_close(fit[:, 5], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("use_ids", [True, False])
def test_text_and_picture_count_by_their_fit_to_the_user(build, histories, use_ids):
    model = build("missrec", use_ids=use_ids)
    with torch.no_grad():
        model.preference.fill_(3.0)
    tables = model.tables()
    state = model.encode(histories, tables)[:, -1]
    text, image = (F.cosine_similarity(state, tables[m][[4]]) for m in ("text", "image"))
    weights = (3 * torch.stack([text, image])).softmax(dim=0)
    expected = weights[0] * text + weights[1] * image
    if use_ids:
        own = F.cosine_similarity(state, tables["id"][[4]])
        expected = (own + 2 * expected) / 3
    torch.testing.assert_close(model.scores(histories)[:, 3], expected, rtol=1e-4, atol=1e-6)


def test_orthogonal_interests_are_no_loss_and_equal_ones_all_of_it(build):
    model = build("missrec")
    memory = torch.stack([2 * torch.eye(16)[:3], torch.ones(3, 16), torch.ones(3, 16)])
    is_interest = torch.tensor([[True] * 3, [True] * 3, [True, False, False]])
    found = model._penalty(memory, is_interest)
    torch.testing.assert_close(found, torch.tensor([0.0, 1.0, 0.0]))


def test_the_released_regulariser_alone_grows_with_the_batch(build, batch_of):
    def penalty(regulariser, copies):
        model = build("missrec", regulariser=regulariser)
        loss = model.loss(batch_of(SEQUENCES * copies, samples=Prefixes()))
        return loss.parts["regulariser"].item()

    assert penalty("orthogonal", 3) == pytest.approx(penalty("orthogonal", 1), rel=1e-4)
    assert penalty("released", 3) == pytest.approx(3 * penalty("released", 1), rel=1e-4)


def test_without_weight_there_is_no_regulariser(build, batch):
    parts = build("missrec", regulariser_weight=0.0).loss(batch).parts
    assert set(parts) == {"cross_entropy"}


def test_the_loss_is_the_cross_entropy_over_all_items(build, batch):
    model = build("missrec", regulariser_weight=0.0)
    rows = torch.cat([group.history.items[:, -1:] for group in batch.groups])
    assert len(rows) == len(batch.targets())
    scores = torch.cat([model.scores(group.history) for group in batch.groups])
    expected = F.cross_entropy(scores / 0.07, batch.targets() - 1)
    torch.testing.assert_close(model.loss(batch).total, expected, rtol=1e-4, atol=1e-5)


def test_an_earlier_state_reads_later_items(build):
    model = build("missrec", use_interests=False)
    items = [[3, 9, 1], [3, 9, 2]]
    before, after = (model.encode(History(torch.tensor([i])), model.tables())[0, 1] for i in items)
    assert not torch.allclose(before, after)


def test_settings_that_others_switch_off_make_one_run():
    off = MISSRecConfig(use_interests=False, cluster_ratio=0.1, regulariser="released")
    assert off.canonical() == MISSRecConfig(use_interests=False)
    one = MISSRecConfig(modality="text", fusion="static")
    assert one.canonical() == MISSRecConfig(modality="text")
    with pytest.raises(ValueError, match=r"`cluster_ratio` cannot be 1\.5"):
        MISSRecConfig(cluster_ratio=1.5)
