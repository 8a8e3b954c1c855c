"""What names the traits of a face."""

import numpy as np
import pytest
import torch

from consistentid.caption.traits import SIDE_PX, TraitReader, load_trait_reader, read_traits
from consistentid.errors import CheckpointError, ConsistentIDError
from consistentid.weights import write_weights

CLASSES = {"glasses": ("none", "round"), "hair colour": ("black", "brown", "red")}


@pytest.fixture(scope="module")
def reader():
    torch.manual_seed(0)
    return TraitReader(CLASSES).eval()


def test_every_class_gets_its_share(reader):
    told = reader.read(np.zeros((200, 200, 3), np.uint8))
    assert {trait: tuple(shares) for trait, shares in told.items()} == CLASSES
    assert all(sum(shares.values()) == pytest.approx(1) for shares in told.values())


def test_it_reads_the_head_and_nothing_else(reader):
    rng = np.random.default_rng(0)
    photo = rng.integers(256, size=(300, 400, 3), dtype=np.uint8)
    box = np.array([150.0, 100.0, 200.0, 160.0])  # its square: 115 to 235, 70 to 190
    told = read_traits(reader, photo, box)
    assert told == reader.read(photo[70:190, 115:235])
    elsewhere = photo.copy()
    elsewhere[:70] = elsewhere[190:] = elsewhere[:, :115] = elsewhere[:, 235:] = 0
    assert read_traits(reader, elsewhere, box) == told
    with pytest.raises(ConsistentIDError, match="outside the photo"):
        read_traits(reader, photo, box + 400)


def test_a_file_gives_the_reader_again(reader, tmp_path):
    import json

    write_weights(tmp_path / "a.safetensors", reader.state_dict(), {"classes": json.dumps(CLASSES)})
    again = load_trait_reader(tmp_path / "a.safetensors")
    heads = torch.rand(2, 3, SIDE_PX, SIDE_PX)
    assert again.classes == CLASSES
    assert all(torch.equal(one, two) for one, two in zip(again(heads), reader(heads), strict=True))


@pytest.mark.parametrize("metadata", [None, {"classes": "nothing"}])
def test_a_file_of_something_else_is_refused(reader, tmp_path, metadata):
    write_weights(tmp_path / "a.safetensors", reader.state_dict(), metadata)
    with pytest.raises(CheckpointError, match=r"a\.safetensors is no trait reader"):
        load_trait_reader(tmp_path / "a.safetensors")
