"""Pictures as tensors: what a folder holds, what is done about sizes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from equiconv.cli import images
from equiconv.cli.errors import BadInput


def ramp(height: int, width: int) -> np.ndarray:
    """A picture whose every pixel says where it is."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, rows + columns], -1).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "a.png"):
        Image.fromarray(ramp(6, 9) + ord(name[0])).save(tmp_path / name)
    (tmp_path / ".hidden").write_text("no picture")
    (tmp_path / "inner").mkdir()
    return tmp_path


def test_a_folder_at_its_native_size_is_not_touched(folder: Path) -> None:
    found = images.load_folder(folder)
    assert found.names == ("a.png", "b.png")
    assert found.pixels.shape == (2, 3, 6, 9)
    assert found.pixels.dtype == torch.float32
    expected = torch.from_numpy(ramp(6, 9) + ord("a")).permute(2, 0, 1).float() / 255
    assert torch.equal(found.pixels[0], expected)
    assert "6x9, their own size" in found.note
    assert images.native_size(folder) == (6, 9)


def test_one_picture(folder: Path) -> None:
    assert images.load_folder(folder / "b.png").names == ("b.png",)


def test_the_limit_is_said(folder: Path) -> None:
    found = images.load_folder(folder, limit=1)
    assert len(found.pixels) == 1
    assert "the first 1 of 2 pictures (--limit)" in found.note


@pytest.mark.parametrize("size", [(4, 4), (6, 6), (13, 5), (427, 3), (1, 1)])
def test_any_size_is_reached_and_the_aspect_kept(folder: Path, size: tuple[int, int]) -> None:
    found = images.load_folder(folder, size)
    assert found.pixels.shape == (2, 3, *size)
    assert "scaled to cover" in found.note


def test_a_crop_without_scaling_is_the_middle(folder: Path) -> None:
    """The height is reached as it is, so that only the middle columns are cut out: no pixel changes."""
    whole, cut = images.load_folder(folder).pixels, images.load_folder(folder, (6, 5)).pixels
    assert torch.equal(cut, whole[..., 2:7])


def test_grey_transparent_and_rotated_pictures(tmp_path: Path) -> None:
    Image.new("L", (3, 2), 51).save(tmp_path / "grey.png")
    assert images.load_folder(tmp_path / "grey.png").pixels.unique().tolist() == pytest.approx([0.2])
    Image.new("RGBA", (3, 2), (255, 255, 255, 0)).save(tmp_path / "clear.png")
    assert images.load_folder(tmp_path / "clear.png").pixels.max() == 0
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    Image.new("RGB", (3, 2)).save(tmp_path / "turned.jpg", exif=exif)
    assert images.load_folder(tmp_path / "turned.jpg").pixels.shape == (1, 3, 3, 2)


def test_pictures_of_different_sizes_need_a_size(folder: Path) -> None:
    Image.fromarray(ramp(4, 4)).save(folder / "c.png")
    with pytest.raises(BadInput, match=r"differ in size \(4x4, 6x9\); give the size"):
        images.load_folder(folder)
    assert images.load_folder(folder, (4, 4)).pixels.shape == (3, 3, 4, 4)


def test_a_file_that_is_no_picture_is_named(folder: Path) -> None:
    (folder / "notes.txt").write_text("hello")
    with pytest.raises(BadInput, match=r"'notes.txt' in .* is no picture that Pillow can read"):
        images.load_folder(folder)


def test_a_damaged_picture_is_named(folder: Path) -> None:
    content = (folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(BadInput, match=r"a.png' cannot be read"):
        images.load_folder(folder)


def test_a_picture_of_16_bits_is_refused_rather_than_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2), 40000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(BadInput, match="more than 8 bits a channel"):
        images.load_folder(tmp_path)


def test_empty_missing_and_unreadable_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="holds no files; give a folder"):
        images.load_folder(tmp_path)
    (tmp_path / "inner").mkdir()
    with pytest.raises(BadInput, match=r"holds no files \(1 sub-folder, which are not looked into\)"):
        images.load_folder(tmp_path)
    with pytest.raises(BadInput, match="does not exist"):
        images.load_folder(tmp_path / "nosuch")

    def refuse(_: Path) -> None:  # permissions do not stop root, who may run the tests
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(BadInput, match="cannot be read: permission denied"):
        images.load_folder(tmp_path)


def test_photographs() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is in the extra demo")
    found = images.photographs()
    assert found.pixels.shape == (2, 3, 427, 640)
    assert found.names == ("china.jpg", "flower.jpg")
    assert images.photographs((64, 64)).pixels.shape == (2, 3, 64, 64)
    assert images.native_size(None) == (427, 640)


def test_normalize() -> None:
    pixels = torch.rand(2, 3, 4, 4)
    assert torch.equal(images.normalize(pixels, 3), pixels)
    scaled = images.normalize(pixels, 3, (0.5, 0.25, 0.0), (0.5, 1.0, 2.0))
    assert torch.equal(scaled[:, 1], pixels[:, 1] - 0.25)
    assert torch.equal(scaled[:, 2], pixels[:, 2] / 2)
    white = images.normalize(torch.ones(1, 3, 2, 2), 1)
    assert white.shape == (1, 1, 2, 2)
    assert white.flatten().tolist() == pytest.approx([1.0] * 4)
    with pytest.raises(BadInput, match="takes 5 channels"):
        images.normalize(pixels, 5)
