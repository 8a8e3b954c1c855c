"""FaceNet's network against facenet-pytorch's own, and a folder with its file as a face analysis."""

from pathlib import Path
from shutil import copy

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from consistentid.errors import CheckpointError, IncompatibleModelError
from consistentid.face.facenet import InceptionResnetV1, crop_box, load_facenet
from consistentid.face.package import load_face_analysis
from consistentid.face.search import detect_faces
from consistentid.likeness.faces import measure_reference, score_picture

FIRST_SIX = [
    [0.00560, -0.03099, -0.09240, -0.04151, 0.01891, 0.02621],
    [0.00900, -0.03391, -0.09457, -0.03873, 0.01741, 0.03192],
]
"""Of facenet-pytorch 2.6.0's InceptionResnetV1 with `weights` and two pictures of noise; all 1,024 were the same."""


@pytest.fixture(scope="module")
def weights():
    """By chance, in the order of their names."""
    chance = torch.Generator().manual_seed(0)
    state = InceptionResnetV1().state_dict()
    for key, tensor in sorted(state.items()):
        if key.endswith("running_var") or (key.endswith("weight") and tensor.ndim == 1):
            tensor.copy_(torch.rand(tensor.shape, generator=chance) + 0.5)
        elif tensor.ndim > 1:
            tensor.copy_(torch.randn(tensor.shape, generator=chance) / tensor[0].numel() ** 0.5 * 1.4)
        elif not key.endswith("num_batches_tracked"):
            tensor.copy_(torch.randn(tensor.shape, generator=chance) * 0.1)
    return state


@pytest.fixture(scope="module")
def folder(weights, face_package, tmp_path_factory) -> Path:
    """As the published file: with a layer of classes that nobody needs, without counters."""
    folder = tmp_path_factory.mktemp("facenet")
    kept = {key: tensor.half() for key, tensor in weights.items() if not key.endswith("num_batches_tracked")}
    save_file(kept | {"logits.weight": torch.zeros(8631, 1)}, folder / "20180402-114759-vggface2.safetensors")
    copy(face_package / "det_10g.onnx", folder)
    return folder


def test_the_network_is_facenet_pytorchs(weights):
    network = InceptionResnetV1().eval()
    network.load_state_dict(weights)
    with torch.no_grad():
        found = network(torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(1)))
    np.testing.assert_allclose(found[:, :6], FIRST_SIX, atol=2e-4)
    np.testing.assert_allclose(found.norm(dim=1), 1, rtol=1e-5)


def test_a_folder_with_its_file_compares_faces_and_conditions_nobody(folder, astronaut):
    analysis = load_face_analysis(folder)
    reference = measure_reference(analysis, [astronaut])
    assert reference.embedding.shape == (512,) and "vggface2" in reference.recogniser
    assert score_picture(analysis, reference, astronaut).cosine == pytest.approx(1, abs=1e-4)
    assert score_picture(analysis, reference, astronaut[300:]).cosine is None
    with pytest.raises(IncompatibleModelError, match=r"vggface2.*another space"):
        detect_faces(analysis, astronaut)
    with pytest.raises(IncompatibleModelError, match="compare faces"):
        analysis.get(astronaut)


def test_the_crop_is_the_box_within_the_photo():
    photo = np.arange(40 * 60 * 3, dtype=np.uint32).reshape(40, 60, 3).astype(np.uint8)
    inside = crop_box(photo, np.array([10.9, 5.2, 30.9, 25.9]))
    assert (
        inside.shape == (160, 160, 3)
        and (inside[0, 0] == photo[5, 10]).all()
        and (inside[-1, -1] == photo[24, 29]).all()
    )
    assert (crop_box(photo, np.array([-20, -20, 200, 200]))[0, 0] == photo[0, 0]).all()
    assert crop_box(photo, np.array([70, 50, 90, 80])).shape == (160, 160, 3), "a box outside"


def test_what_is_wrong_with_a_folder(folder, weights, tmp_path):
    alone = copy(folder / "20180402-114759-vggface2.safetensors", tmp_path)
    with pytest.raises(CheckpointError, match=r"vggface2\.safetensors.*finds none.*det_10g\.onnx"):
        load_face_analysis(tmp_path)
    Path(alone).unlink()
    save_file({"last_linear.weight": torch.zeros(2, 2)}, tmp_path / "facenet.safetensors")
    with pytest.raises(CheckpointError, match=r"facenet\.safetensors does not fit InceptionResnetV1.*missing"):
        load_facenet(tmp_path / "facenet.safetensors")
    torch.save(print, tmp_path / "facenet.pt")
    with pytest.raises(CheckpointError, match="refused"):
        load_facenet(tmp_path / "facenet.pt")
