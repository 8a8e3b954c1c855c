"""Likeness nodes: best of a batch, lists of photos, interruption, and the host's memory management."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.host

STANDINS = Path(__file__).resolve().parents[1] / "stand_ins" / "standins.py"


@pytest.fixture(scope="module")
def nodes(host):
    return importlib.import_module(f"{host.__name__}.nodes.likeness")


@pytest.fixture(scope="module")
def packages(host, load_module, tmp_path_factory):
    """buffalo_l and the same networks under antelopev2's names."""
    standins = load_module(STANDINS)
    root = tmp_path_factory.mktemp("packages")
    for name in ("buffalo_l", "antelopev2"):
        standins.write_face_analysis(root / name)
    (root / "antelopev2" / "w600k_r50.onnx").rename(root / "antelopev2" / "glintr100.onnx")
    load = host.nodes.face.load_face_analysis
    return {name: load(root / name, "CPU") for name in ("buffalo_l", "antelopev2")}


@pytest.fixture(scope="module")
def batch(astronaut):
    """Dark, mirrored (the stand-in detector does not know it), herself, grainy."""
    grain = np.random.default_rng(0).normal(0, 40, astronaut.shape)
    pictures = [astronaut * 0.6, astronaut[:, ::-1], astronaut, astronaut + grain]
    return torch.from_numpy(np.stack(pictures)).clamp(0, 255).to(torch.uint8).float() / 255


@pytest.fixture
def score(nodes, packages, batch):
    def run(images=None, reference=None, keep=1, threshold=0.5, **options):
        reference = [batch[2:3]] if reference is None else reference
        images = [batch] if images is None else images
        result = nodes.LikenessScore.execute([packages["buffalo_l"]], reference, images, [keep], [threshold], **options)
        return result.result

    return run


def test_the_best_of_a_batch(score, batch):
    before = batch.clone()
    best, sheet, cosine, index, report, _ = score()
    assert torch.equal(best, batch[2:3]) and index == 2 and cosine == pytest.approx(1, abs=1e-5)
    assert sheet.shape[0] == 1 and sheet.shape[3] == 3 and 0 < sheet.mean() < 1
    assert report.startswith("Best: index 2, 1.000. Mean") and "over 3 of 4" in report
    assert report.splitlines()[-1] == "index 1: no face"
    assert torch.equal(batch, before)


def test_the_best_of_a_list_of_batches_in_order(score, batch):
    best, _, _, index, report, _ = score(images=[batch[:2], batch[2:]], keep=3)
    assert torch.equal(best, batch[[2, 3, 0]]) and index == 2
    assert [line.split(":")[0] for line in report.splitlines()[2:]] == ["index 2", "index 3", "index 0", "index 1"]
    assert score(keep=64)[0].shape == batch.shape


def test_nobody_in_any_picture(score, batch, packages):
    nobody = batch[[1, 1]]
    best, _, cosine, index, report, second = score(images=[nobody], second_analysis=[packages["antelopev2"]])
    assert torch.equal(best, nobody[:1]) and (cosine, index, second) == (-1, 0, -1)
    assert report.startswith("No face was found in any picture.")


def test_references_of_different_sizes_give_a_baseline(score, batch):
    small = torch.nn.functional.interpolate(batch[2:3].movedim(-1, 1), size=(300, 300), mode="area").movedim(1, -1)
    assert "two or more reference photos" in score()[4]
    report = score(reference=[batch[:1], small, batch[1:2]])[4]
    assert "each of 2 against the mean of the others. No face in reference 2." in report


def test_second_opinion(score, packages, batch):
    images = [batch[2:]]
    report = score(images, second_analysis=[packages["antelopev2"]])[4]
    assert "Second encoder glintr100.onnx: mean" in report and "index 0: 1.000; second 1.000" in report
    assert score(images, second_analysis=[None])[4] == score(images)[4]
    assert "same file as the first" in score(images, second_analysis=[packages["buffalo_l"]])[4]


@pytest.mark.parametrize(("cosines", "expected"), [((0.8, 0.3), 0.3), ((0.8, None), -1), (None, -1)], ids=str)
def test_second_score_is_that_of_the_best_picture(host, nodes, packages, batch, score, monkeypatch, cosines, expected):
    """Not the second encoder's own best, which would be another picture."""
    evaluation = host.consistentid.likeness.faces
    said = {id(packages["buffalo_l"]): (0.2, 0.9), id(packages["antelopev2"]): cosines}

    def score_pictures(analysis, photos, *_):
        reference = evaluation.measure_reference(analysis, photos)
        return evaluation.Likeness(reference, tuple(evaluation.Score(c, None, 0, 1) for c in said[id(analysis)]))

    monkeypatch.setattr(nodes, "score_pictures", score_pictures)
    second = None if cosines is None else packages["antelopev2"]
    _, _, cosine, index, _, second_score = score([batch[2:]], second_analysis=[second])
    assert (cosine, index, second_score) == (0.9, 1, expected)


def test_errors(host, score, batch):
    errors = host.consistentid.errors
    with pytest.raises(errors.ConsistentIDError, match=r"different sizes .*256.*512.*one size at a time"):
        score(images=[batch, batch[:, :256]])
    with pytest.raises(errors.FaceNotFoundError, match="No face was found in any reference photo"):
        score(reference=[batch[1:2]])


def test_both_nodes_take_lists(nodes):
    """So that photos of different sizes, and all pictures of a list, are scored together."""
    for node in (nodes.LikenessScore, nodes.RegionLikeness):
        schema = node.GET_SCHEMA()
        assert schema.is_input_list and not {i.id for i in schema.inputs} & {o.id for o in schema.outputs}


def test_interruption_and_progress(score, batch, nodes, monkeypatch):
    import comfy.model_management
    import comfy.utils

    comfy.model_management.interrupt_current_processing(True)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        score()
    seen = []
    monkeypatch.setattr(comfy.utils, "PROGRESS_THROTTLE_MIN_INTERVAL", 0.0, raising=False)  # newer hosts leave some out
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda value, total, *_, **__: seen.append((value, total)))
    assert score()[3] == 2, "the next run is not disturbed"
    assert seen == [(i, 4) for i in range(1, 5)]


@pytest.fixture(scope="module")
def dino(host, tmp_path_factory):
    """A tiny random DINOv2 where the loader looks for it."""
    import folder_paths
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    folder = Path(folder_paths.models_dir) / "consistentid" / "tiny dino"
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}
    model = Dinov2Model(Dinov2Config(**sizes))
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
    model.save_pretrained(folder)
    BitImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 28, "width": 28}).save_pretrained(folder)
    return "tiny dino"


def test_encoder_is_found_and_loaded_by_the_host(host, nodes, dino, astronaut):
    import comfy.model_management

    assert dino in host.nodes.server.folders.list_folders("region_encoder")
    assert nodes.LoadImageEncoder.validate_inputs(dino) is True is nodes.LoadImageEncoder.validate_inputs(None)
    message = nodes.LoadImageEncoder.validate_inputs("dinov2-base")
    assert "facebook/dinov2-base" in message and "consistentid" in message
    (encoder,) = nodes.LoadImageEncoder.execute(dino).result
    token = encoder.encode([astronaut])
    assert encoder.patcher in [loaded.model for loaded in comfy.model_management.current_loaded_models]
    assert encoder.patcher.model_size() == sum(p.nbytes for p in encoder.encoder.model.parameters())
    comfy.model_management.unload_all_models()
    assert np.array_equal(encoder.encode([astronaut]), token)


@pytest.fixture(scope="module")
def compare(host, nodes, standins, dino):
    """Runs RegionLikeness with the stand-in parser, which knows the astronaut's whole photo."""
    path = next((standins / "consistentid").glob("*face_parsing.pth"))
    parser = host.nodes.model.hosting.make_patcher(host.consistentid.face.parsing.load_face_parser(path))
    (encoder,) = nodes.LoadImageEncoder.execute(dino).result

    def run(reference, images, **options):
        return nodes.RegionLikeness.execute([parser], [encoder], reference, images, **options).result

    return run


def test_regions_of_the_same_photo_are_alike(compare, batch):
    cosine, report = compare([batch[2:3]], [batch[2:3], batch[3:4]])
    first, same, grainy = report.splitlines()
    assert same.startswith("index 0: 1.000 (face 1.000, eyes 1.000") and "nose 1.000" in same
    assert first == f"Mean {cosine:.3f} over 2 of 2."
    other = float(grainy.split()[2])
    assert other < 0.999 and cosine == pytest.approx((1 + other) / 2, abs=1e-3)


def test_regions_of_the_person_among_others(compare, packages, batch):
    pair = torch.cat([batch[:1], batch[2:3]], dim=2)
    analysis = [packages["buffalo_l"]]
    cosine, report = compare([batch[2:3]], [pair, batch[1:2]], face_analysis=analysis)
    darker, _ = compare([batch[2:3]], [batch[:1]], face_analysis=analysis)
    assert "over 1 of 2" in report and report.endswith("index 1: no face")
    assert cosine > 0.9995 > 0.999 > darker, "she is compared with herself, not with her darker self"


def test_the_threshold_reaches_the_detector(host, compare, packages, batch):
    whole, close = batch[2:3], batch[2:3, 21:221, 125:325]
    options = {"face_analysis": [packages["buffalo_l"]]}
    assert "no face" not in compare([whole], [close], **options)[1]
    assert compare([whole], [close], threshold=[0.95], **options)[1].endswith("index 0: no face")
    with pytest.raises(host.consistentid.errors.FaceNotFoundError, match=r"lower the threshold \(now 0\.95\)"):
        compare([close], [whole], threshold=[0.95], **options)


def test_reference_photos_without_a_face_are_named(compare, packages, batch):
    cosine, report = compare([batch[:3]], [batch[2:3]], face_analysis=[packages["buffalo_l"]])
    assert report.splitlines()[0] == f"Mean {cosine:.3f} over 1 of 1. No face in reference 1."


@pytest.fixture
def crowded(host, monkeypatch):
    """A device of its own with room for 200 MB; "meta" takes anything, and computes nothing."""
    import comfy.model_management as management

    def get_free_memory(device=None, torch_free_too=False):
        return (200 * 2**20,) * 2 if torch_free_too else 200 * 2**20

    monkeypatch.setattr(management, "current_loaded_models", [])
    monkeypatch.setattr(management, "vram_state", management.VRAMState.NORMAL_VRAM)
    monkeypatch.setattr(management, "get_free_memory", get_free_memory)
    return torch.device("meta")


def test_an_encoder_is_loaded_whole_where_room_is_short(nodes, crowded):
    """Its layers are plain torch ones, which cannot compute with weights elsewhere."""
    layers = (torch.nn.Linear(4096, 4096, device="meta") for _ in range(4))  # 64 MB each
    network = torch.nn.Sequential(*layers).to_empty(device="cpu")
    encode = lambda pictures: {weight.device for weight in network.parameters()}  # noqa: E731
    encoder = nodes.HostedDino(SimpleNamespace(model=network, encode=encode))
    encoder.patcher.load_device = crowded
    assert encoder.encode([]) == {crowded}


def test_parser_and_encoder_are_loaded_whole(compare, batch, monkeypatch):
    import comfy.model_management as management

    load, seen = management.load_models_gpu, []

    def load_models_gpu(models, *rest, **options):
        seen.append((type(models[0].model).__name__, options.get("force_full_load")))
        return load(models, *rest, **options)

    monkeypatch.setattr(management, "load_models_gpu", load_models_gpu)
    compare([batch[2:3]], [batch[3:4]])
    assert set(seen) == {("BiSeNet", True), ("ModuleList", True)}


def test_no_region_at_all(host, nodes, compare, batch, monkeypatch):
    parser = host.consistentid.face.parsing.BiSeNet
    monkeypatch.setattr(parser, "parse", lambda self, photo, side_px: np.zeros((512, 512), np.uint8))
    with pytest.raises(host.consistentid.errors.FaceNotFoundError, match="no facial region in any reference photo"):
        compare([batch[2:3]], [batch[2:3]])
