"""shapes10 is the same everywhere, varied, and neither trivial nor hopeless to learn."""

import hashlib
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nonlin.images import shapes10

# Of draw(200, seed=1). When it changes on purpose, raise shapes10.VERSION; otherwise some platform draws differently.
PINNED = "09ba6b33af3c96f853ccb08d0ca2496ae2279c2be1a9490fcea4c75a6b29380c"


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    return shapes10.draw(2000, seed=2)


def test_every_platform_draws_the_same_bytes() -> None:
    assert hashlib.sha256(shapes10.draw(200, seed=1).tobytes()).hexdigest() == PINNED
    assert shapes10.VERSION == 1


def test_format(drawn: np.ndarray) -> None:
    assert drawn.shape == (2000, 3, 32, 32)
    assert drawn.dtype == np.uint8
    assert shapes10.draw(0, seed=1).shape == (0, 3, 32, 32)


def test_ten_classes_in_equal_numbers_and_mixed() -> None:
    assert len(set(shapes10.CLASSES)) == 10
    assert list(shapes10.CLASSES) == sorted(shapes10.CLASSES)
    assert np.bincount(shapes10.labels(shapes10.TRAIN_SIZE)).tolist() == [shapes10.TRAIN_SIZE // 10] * 10
    assert sorted(shapes10.labels(64)[:10].tolist()) == list(range(10))


@pytest.mark.parametrize("n", [1, 249, 251])
def test_first_images_do_not_depend_on_how_many_are_drawn(drawn: np.ndarray, n: int) -> None:
    np.testing.assert_array_equal(shapes10.draw(n, seed=2), drawn[:n])


def test_seeds_differ_and_no_image_occurs_twice(drawn: np.ndarray) -> None:
    other = shapes10.draw(2000, seed=1)
    distinct = {image.tobytes() for image in (*drawn, *other)}
    assert len(distinct) == 4000


def test_global_random_state_is_left_alone() -> None:
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    shapes10.draw(20, seed=1)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize("name", shapes10.CLASSES)
def test_a_shape_fits_its_circle_and_fills_some_of_it(name: str) -> None:
    v, u = (grid[None].astype(np.float32) / 100 for grid in np.mgrid[-200:201, -200:201])
    for proportions in (0.0, 0.999):
        inside = shapes10.SHAPES[name](u, v, np.full((1, 1, 1), proportions, np.float32)) < 0
        radius = np.sqrt(u * u + v * v)[inside]
        assert radius.max() < 1.2
        assert 0.15 < inside.sum() / 100**2 / np.pi < 0.85


def test_a_shape_can_be_seen_against_its_background(monkeypatch: pytest.MonkeyPatch) -> None:
    with_shape = shapes10.draw(500, seed=3).astype(np.int64)
    monkeypatch.setattr(shapes10, "_blend", _blend_unless_textured)
    without = shapes10.draw(500, seed=3).astype(np.int64)
    changed = (np.abs(with_shape - without).max(axis=1) > 50).sum(axis=(1, 2))  # pixels that clearly differ
    assert np.mean(changed >= 20) > 0.99


def _blend_unless_textured(image: np.ndarray, colour: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """Paints lines and blobs, which have one colour, (n, 3, 1, 1), but not shapes, (n, 3, 32, 32)."""
    return image + (colour - image) * cover[:, None] if colour.shape[-1] == 1 else image


def test_a_linear_classifier_fails_where_a_small_network_succeeds(drawn: np.ndarray) -> None:
    """On a quarter of the images and with an eighth of the training that an experiment takes, to be quick."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        images, labels = _inputs(shapes10.draw(5_000, seed=1)), torch.from_numpy(shapes10.labels(5_000))
        test_images, test_labels = _inputs(drawn), torch.from_numpy(shapes10.labels(len(drawn)))
        linear = _fit_linear(images[:3000], labels[:3000])
        network = _fit_network(images, labels)
    finally:
        torch.set_num_threads(threads)
    assert _accuracy(linear, images[:2000], labels[:2000]) > 0.2  # it did learn what a line can
    assert _accuracy(linear, test_images, test_labels) < 0.2
    assert _accuracy(network, test_images, test_labels) > 0.5


def _inputs(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).float() / 127.5 - 1


def _accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    model.eval()
    with torch.no_grad():
        return (model(images).argmax(dim=1) == labels).float().mean().item()


def _fit_linear(images: Tensor, labels: Tensor) -> nn.Module:
    """Logistic regression with a little weight decay: without, it fits the training images and tests no better."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=20, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels) + 0.03 * model[1].weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return model


def _fit_network(images: Tensor, labels: Tensor, *, epochs: int = 3, batch: int = 64) -> nn.Module:
    torch.manual_seed(0)
    widths = (16, 32, 64, 96)
    layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 3, stride=2, padding=1), nn.ReLU()]
    for wide_in, wide_out in pairwise(widths):
        layers += [nn.Conv2d(wide_in, wide_out, 3, padding=1, bias=False), nn.MaxPool2d(2)]
        layers += [nn.BatchNorm2d(wide_out), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(widths[-1], 10))
    model.to(memory_format=torch.channels_last)
    steps = epochs * (len(images) // batch)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(images))[: len(images) // batch * batch].view(-1, batch):
            F.cross_entropy(model(images[rows].to(memory_format=torch.channels_last)), labels[rows]).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    return model
