"""Face2Diffusion's networks against the authors' numbers, and its files."""

import numpy as np
import pytest
import torch
from golden_data import difference, make_input, read_tensors
from golden_data.face2diffusion import CASES, NETWORK, make_state, write_package
from safetensors.torch import save_file

from consistentid.errors import CheckpointError, FaceNotFoundError
from consistentid.face.face import Face
from consistentid.face.photo import hash_photo
from consistentid.face2diffusion.encoder import (
    Face2Diffusion,
    align_for_text,
    encode_face,
    load_face2diffusion,
    prepare_pixels,
)

MSID = read_tensors("f2d_msid.safetensors")
MAPPING = read_tensors("f2d_mapping.safetensors")
ALIGNMENT = read_tensors("f2d_alignment.safetensors")


@pytest.fixture(autouse=True)
def inference():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "face2diffusion"
    write_package(folder)
    return folder


@pytest.fixture(scope="module")
def networks(package):
    return load_face2diffusion(package)


@pytest.fixture
def watch(networks):
    """The class token after each block of the next pass."""
    seen = []
    hooks = [block.register_forward_hook(lambda _, __, out: seen.append(out[:, 0])) for block in networks.msid.blocks]
    yield seen
    for hook in hooks:
        hook.remove()


def test_identity_features_of_the_astronaut(networks, watch):
    features = networks.msid(prepare_pixels(MSID["astronaut.input_u8"].numpy()))
    assert difference(features, MSID["astronaut.feat"]) < NETWORK
    assert difference(torch.stack(watch, dim=1), MSID["astronaut.cls_after_block"]) < NETWORK
    assert difference(features[:, 384:768], MSID["astronaut.part_5"]) < NETWORK


def test_identity_features_of_random_pixels(networks, watch):
    pixels = make_input("f2d.msid.x", (1, 3, 112, 112))
    features = networks.msid(pixels).double()
    assert difference(torch.stack(watch, dim=1), MSID["random.cls_after_block"]) < NETWORK
    patches = networks.msid.patch_embed(pixels)[:, [0, 1, 13, 14, 100, 195]]
    assert difference(patches, MSID["random.patch_tokens_0_1_13_14_100_195"]) < NETWORK
    assert float(features.sum()) == pytest.approx(CASES["random_feature"]["sum_f64"], abs=1e-3)
    assert float(features.square().sum()) == pytest.approx(CASES["random_feature"]["sumsq_f64"], abs=1e-2)


def read_features(name: str) -> torch.Tensor:
    if name == "msid:astronaut.feat":
        return MSID["astronaut.feat"]
    return make_input(name, (3 if name.endswith("x3") else 1, 1536))


@pytest.mark.parametrize("name", [name for name in CASES["mapping_runs"] if name != "msid_random"])
def test_text_tokens(networks, name):
    run = CASES["mapping_runs"][name]
    expression = None if run["exp"] is None else make_input(run["exp"], (3 if run["exp"].endswith("exp3") else 1, 64))
    strength = 1.0 if run["mask"] is None else torch.tensor(run["mask"])
    tokens = networks.mapping(read_features(run["x"]), expression, strength)
    assert difference(tokens[:, 0], MAPPING[f"{name}.first"]) < NETWORK
    assert difference(tokens[:, 1], MAPPING[f"{name}.last"]) < NETWORK


def test_strength_blends_the_given_expression_with_the_neutral_one(networks):
    features, given = make_input("f2d.mapping.x", (1, 1536)), make_input("f2d.mapping.exp", (1, 64))
    neutral = networks.mapping.null_exp[None]
    assert torch.equal(networks.mapping(features, given, 0.0), networks.mapping(features))
    half = networks.mapping(features, (given + neutral) / 2)
    assert difference(networks.mapping(features, given, 0.5), half) < NETWORK
    assert difference(networks.mapping(features, given, 0.5), networks.mapping(features, given)) > 0.01


def test_one_face_from_crop_to_tokens(networks):
    crop = MSID["astronaut.input_u8"].numpy()
    before = crop.copy()
    vectors = encode_face(networks, crop).vectors
    assert difference(vectors[0], MAPPING["msid_astronaut.first"][0]) < NETWORK
    assert difference(vectors[1], MAPPING["msid_astronaut.last"][0]) < NETWORK
    code = make_input("f2d.mapping.exp", (64,))
    assert difference(encode_face(networks, crop, code, 0.0).vectors, vectors) == 0
    assert difference(encode_face(networks, crop, code).vectors, vectors) > 0.01
    assert np.array_equal(crop, before)


@pytest.mark.parametrize("name", CASES["alignment"])
def test_alignment(astronaut, name):
    """Exact with the OpenCV and scikit-image of the second stack; others interpolate a little differently."""
    photo = np.rot90(astronaut) if CASES["alignment"][name] == "rot90" else astronaut
    landmarks = ALIGNMENT["lmk68.five" if name == "lmk68" else f"{name}.lmk"].numpy()
    crop = align_for_text(np.ascontiguousarray(photo), Face(np.zeros(4), landmarks, 1.0, None))
    versions = [np.abs(crop - ALIGNMENT[f"{name}.{key}"].numpy().astype(int)).max() for key in ("crop_cv5", "crop")]
    assert versions[0] <= 1 or versions[1] <= 6


def test_alignment_needs_landmarks(astronaut):
    face = Face(np.zeros(4), None, 1.0, None, photo=hash_photo(astronaut))
    with pytest.raises(FaceNotFoundError, match=r"without landmarks.*InsightFace"):
        align_for_text(astronaut, face)
    with pytest.raises(FaceNotFoundError, match="got no face"):
        align_for_text(astronaut, None)


def test_layout_is_that_of_the_released_files():
    with torch.device("meta"):
        networks = Face2Diffusion()
    for part in ("msid", "mapping"):
        own = {key: list(value.shape) for key, value in getattr(networks, part).state_dict().items()}
        assert own == CASES["layout"][part]


def test_safetensors_in_half_precision(networks, package, tmp_path):
    for name in ("msid", "mapping"):
        state = make_state(name)
        half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
        save_file(half, tmp_path / f"{name}.safetensors")
    loaded = load_face2diffusion(tmp_path)
    assert not loaded.training and loaded.mapping.null_exp.dtype == torch.float32
    crop = MSID["astronaut.input_u8"].numpy()
    assert difference(encode_face(loaded, crop).vectors, encode_face(networks, crop).vectors) < 0.02


class Evil:
    def __reduce__(self):
        return print, ("code was run",)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"null_exp": None}, r"mapping\.pt does not fit MappingNetwork.*1 missing \(null_exp\)"),
        ({"head.weight": torch.zeros(1)}, r"1 unexpected \(head\.weight\)"),
        ({"null_exp": torch.zeros(50)}, r"null_exp: \[50\] instead of \[64\]"),
        ({"null_exp": Evil()}, r"mapping\.pt .* was refused.*Python code"),
    ],
)
def test_other_files_are_refused(package, tmp_path, capsys, broken, message):
    (tmp_path / "msid.pt").hardlink_to(package / "msid.pt")
    state = {**torch.load(package / "mapping.pt", weights_only=True), **broken}
    torch.save({key: value for key, value in state.items() if value is not None}, tmp_path / "mapping.pt")
    with pytest.raises(CheckpointError, match=message):
        load_face2diffusion(tmp_path)
    assert "code was run" not in capsys.readouterr().out


def test_a_missing_file_is_named(package, tmp_path):
    (tmp_path / "msid.pt").hardlink_to(package / "msid.pt")
    with pytest.raises(CheckpointError, match=r"holds no mapping\.pt, but msid\.pt.*models_manifest"):
        load_face2diffusion(tmp_path)
