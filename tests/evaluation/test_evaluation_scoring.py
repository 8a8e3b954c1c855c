"""Each metric against numbers from the models themselves, and against a hand calculation."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

import consistentid.evaluation.scoring as scoring
from consistentid.errors import CheckpointError, ConsistentIDError, FaceNotFoundError
from consistentid.evaluation.clip import load_clip
from consistentid.evaluation.frechet import Inception, load_inception, measure_fid
from consistentid.evaluation.plan import read_plan
from consistentid.evaluation.ray_scoring import FeatureReader, Task
from consistentid.evaluation.scoring import Scorer, ScoringModels
from consistentid.face.package import load_face_analysis
from consistentid.likeness.dino import load_dino
from consistentid.likeness.faces import find_largest, measure_reference, score_picture


@pytest.fixture(scope="module")
def blurred(astronaut):
    return np.asarray(Image.fromarray(astronaut).filter(ImageFilter.GaussianBlur(4)))


def cosine(a, b) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_clip_is_the_models_own(clip_folder, astronaut, blurred):
    """The whole model's logits are the cosines times its scale."""
    clip, texts = load_clip(clip_folder), ["a red hat", "a blue coat"]
    pictures = [astronaut, blurred[:300]]
    inputs = clip.processor(
        text=texts, images=[Image.fromarray(p) for p in pictures], return_tensors="pt", padding=True
    )
    with torch.no_grad():
        out = clip.model(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], pixel_values=inputs["pixel_values"]
        )
    expected = (out.logits_per_image / clip.model.logit_scale.exp()).detach().numpy()
    found = clip.encode_pictures(pictures) @ clip.encode_texts(texts).T
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(expected) > 0.01, "texts and pictures are worth telling apart"
    assert clip.encode_texts(["a " * 40]).shape == (1, 16), "a long prompt is cut off"


def test_every_metric_of_one_picture(clip_folder, dino_folder, face_package, astronaut, blurred, photos, monkeypatch):
    labels = np.zeros((512, 512), np.uint8)
    labels[70:190, 175:275] = 1
    labels[100:130, 215:233] = 10
    parser = torch.nn.Identity()
    parser.parse = lambda photo: labels
    monkeypatch.setattr(scoring, "load_face_parser", lambda path: parser)
    models = ScoringModels(str(clip_folder), str(dino_folder), face_package=str(face_package), face_parser="any")
    scorer = Scorer(models)
    (photos / "p.json").write_text('{"people": {"A": ["ada.png", "ben.png"]}, "prompts": ["a red hat"], "seeds": [0]}')
    scorer.learn(read_plan(photos / "p.json"))
    scores = scorer.score("A", "a red hat", blurred)
    references = [astronaut, (astronaut * 0.8).astype("uint8")]
    clip, dino, analysis = load_clip(clip_folder), load_dino(dino_folder), load_face_analysis(face_package)
    for name, encode in (("clip_i", clip.encode_pictures), ("dino", dino.encode)):
        a, b, picture = (encode([one])[0].astype(float) for one in (*references, blurred))
        assert scores[name] == pytest.approx((cosine(a, picture) + cosine(b, picture)) / 2, abs=1e-5)
    (text,), (picture,) = clip.encode_texts(["a red hat"]), clip.encode_pictures([blurred])
    assert scores["clip_t"] == pytest.approx(cosine(text, picture), abs=1e-5)
    reference = measure_reference(analysis, references)
    assert scores["face_sim"] == pytest.approx(score_picture(analysis, reference, blurred).cosine)
    assert scorer.people["A"].baselines == {"face_sim": pytest.approx(reference.baseline)}
    assert scores["fgis"] == pytest.approx(np.mean([scores["regions"]["face"], scores["regions"]["nose"]]))
    assert set(scores["regions"]) == {"face", "nose"} and 0.2 < scores["fgis"] < 0.9999
    assert scores["index_arithmetic"] == pytest.approx((scores["face_sim"] + scores["clip_t"]) / 2)
    index = {f"index_{mean}" for mean in ("arithmetic", "geometric", "harmonic")}
    assert set(scores) == {"clip_t", "clip_i", "dino", "face_sim", "fgis", "regions", "copy_identity", *index}
    r, t, g = (find_largest(analysis, photo).id_embedding.astype(float) for photo in (*references, blurred))
    gt, gr, tr = (np.arccos(np.clip(a @ b, -1, 1)) for a, b in ((g, t), (g, r), (t, r)))
    assert scores["copy_identity"] == pytest.approx(np.clip((gt - gr) / tr, -1, 1), abs=1e-3)
    assert len(scorer.people["A"].looks) == 2, "in which pose and light are the same, and tell nothing"
    assert scorer.score("A", "a red hat", astronaut[300:])["face_sim"] is None, "nobody is below her collar"
    assert scorer.score("A", "a red hat", astronaut[300:])["fgis"] is None
    assert scorer.score("A", "a red hat", astronaut[300:])["index_harmonic"] == 0, "no face is no likeness"


def test_what_is_not_given_is_not_measured(dino_folder, astronaut, plan):
    models = ScoringModels(dino=str(dino_folder))
    scorer = Scorer(models)
    scorer.learn(plan)
    assert set(scorer.score("ada", "x", astronaut)) == {"dino"}
    assert scorer.score("ada", "x", astronaut)["dino"] == pytest.approx(1, abs=1e-5)
    missing = models.explain_missing()
    assert missing["index_harmonic"] == "not measured: no --clip, --face-package or another of its kind"
    assert missing["copy_pose"] == "not measured: no --face-package or another of its kind"
    assert missing["face_sim_third"] == "not measured: no --third-package"
    told = {"clip_t", "clip_i", "face_sim", "face_sim_second", "fgis", "fid"}
    assert {metric: missing[metric] for metric in told} == {
        "clip_t": "not measured: no --clip",
        "clip_i": "not measured: no --clip",
        "face_sim": "not measured: no --face-package",
        "face_sim_second": "not measured: no --second-package",
        "fgis": "not measured: no --face-parser",
        "fid": "not measured: no --inception",
    }
    assert models.describe().keys() == {"dino"} and len(models.describe()["dino"]["sha256"]) == 64


def test_a_person_without_a_face_is_named(face_package, photos):
    Image.new("RGB", (64, 64)).save(photos / "eve.png")
    (photos / "p.csv").write_text("photo,prompt\nada.png,x\neve.png,x\n")
    with pytest.raises(FaceNotFoundError, match=r"photos of 'eve' cannot be compared with.*64x64"):
        Scorer(ScoringModels(face_package=str(face_package))).learn(read_plan(photos / "p.csv"))


def test_folders_that_are_no_clip(dino_folder, tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        load_clip(tmp_path)
    with pytest.raises(CheckpointError):
        load_clip(dino_folder)


class MeanColours(torch.nn.Module):
    """Features anyone can follow: the mean colour."""

    def forward(self, pictures):
        return pictures.float().mean(dim=(2, 3))


def test_fid_by_hand():
    """|m - n|^2 + trace(A + B - 2 sqrt(A B)); here with diagonal covariances."""
    pytest.importorskip("torchmetrics", reason="torchmetrics is not installed: pip install 'torchmetrics[image]'")
    colours = np.array([[10, 50, 90], [30, 50, 90], [20, 40, 90], [20, 60, 90]], dtype=np.uint8)
    other = np.array([[10, 100, 90], [50, 100, 90], [30, 90, 90], [30, 110, 90]], dtype=np.uint8)
    pictures = ([np.full((8, 9 + i, 3), c, np.uint8) for i, c in enumerate(set_)] for set_ in (colours, other))
    first, second = ([Inception(MeanColours()).read(picture) for picture in set_] for set_ in pictures)
    expected = 0.0
    for channel in range(3):
        a, b = colours[:, channel].astype(float), other[:, channel].astype(float)
        expected += (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert measure_fid(first, second) == pytest.approx(expected, rel=1e-4)
    assert measure_fid(first, first) == pytest.approx(0, abs=1e-3)
    with pytest.raises(ConsistentIDError, match=r"two pictures.*\(1, 4\)"):
        measure_fid(first[:1], second)


def test_a_process_of_ray_reads_the_same_features(tmp_path, monkeypatch):
    """As Ray calls it; in threads they come in the order of the files."""
    monkeypatch.setattr(Scorer, "inception", Inception(MeanColours()))
    files = [tmp_path / f"{number}.png" for number in range(4)]
    for number, file in enumerate(files):
        Image.new("RGB", (64 + number, 64), (number, 50, 90)).save(file)
    tasks = [Task("", "", {file.name: file.read_bytes()}) for file in files]
    lines = FeatureReader(ScoringModels())({"number": [*range(len(files))], "task": tasks})
    found = Scorer(ScoringModels(), 2).read_features(files)
    assert [features.tolist() for features in found] == [[number, 50, 90] for number in range(4)]
    assert all(np.array_equal(one, other) for one, other in zip(lines["made"], found, strict=True))


def test_inceptions_weights_are_a_file_of_tensors(tmp_path):
    with pytest.raises(CheckpointError, match=r"not found: .*--inception"):
        load_inception(tmp_path / "none.pth")
    import pickle

    torch.save(pickle.Pickler, tmp_path / "code.pth")
    with pytest.raises(CheckpointError, match="code"):
        load_inception(tmp_path / "code.pth")
