"""Pictures: grids, captions, labels."""

import numpy as np
import pytest
import torch

from nonlin.images import pictures


def _images(n: int) -> torch.Tensor:
    return torch.arange(n, dtype=torch.uint8)[:, None, None, None].expand(n, 3, 4, 4).contiguous()


def test_grid_draws_every_pixel_as_a_square_in_reading_order():
    sheet = pictures.grid(_images(5), columns=2, zoom=3, gap=1)
    assert sheet.shape == (3 * 13 - 1, 2 * 13 - 1, 3)
    assert [int(sheet[13 * (k // 2) + 5, 13 * (k % 2) + 5, 0]) for k in range(5)] == [0, 1, 2, 3, 4]
    assert (sheet[:12, :12] == 0).all()
    assert (sheet[12] == pictures.WHITE[0]).all()
    assert (sheet[-5:, -5:] == pictures.WHITE[0]).all()  # the sixth place stays white


@pytest.mark.parametrize("size", [12, 26])
@pytest.mark.parametrize("text", ["a few words " * 9, "one_word_that_is_much_longer_than_the_picture_is_wide" * 2, "x"])
def test_no_letter_of_a_caption_is_cut_off(size, text):
    picture = np.full((10, 240, 3), 7, np.uint8)
    captioned = pictures.caption(picture, [text, "y"], size=size)
    band = captioned[:-10]
    np.testing.assert_array_equal(captioned[-10:], picture)
    assert (band < 128).any()  # there is ink
    frame = np.concatenate([band[0], band[-1], band[:, 0], band[:, -1]])
    assert (frame == pictures.WHITE[0]).all()  # and none of it at the edges
    written = "".join(pictures.wrap(text, 240 - 2 * pictures.MARGIN, size))
    assert written.replace(" ", "") == text.replace(" ", "")


def test_labels_stand_beside_their_rows():
    rows = [("first", np.full((40, 50, 3), 10, np.uint8)), ("second one", np.full((40, 50, 3), 20, np.uint8))]
    sheet = pictures.labelled_rows(rows, gap=2)
    assert sheet.shape[0] == 82
    assert (sheet[:40, -50:] == 10).all()
    assert (sheet[42:, -50:] == 20).all()
    labels = sheet[:, :-50]
    assert (labels[:40] < 128).any()
    assert (labels[42:] < 128).any()
    assert (labels[:, [0, -1]] == pictures.WHITE[0]).all()
