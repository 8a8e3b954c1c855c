"""Scores by Ray: the report of one machine, to the digit, also where a process is killed."""

import json

import pytest
from PIL import Image
from test_evaluation_command import run_command

from consistentid.errors import ConsistentIDError
from consistentid.evaluation.gallery import Gallery
from consistentid.evaluation.kept_scores import FILE
from consistentid.evaluation.outcome import score_gallery
from consistentid.evaluation.plan import read_plan
from consistentid.evaluation.ray_scoring import Judge, RayScorer, Task
from consistentid.evaluation.scoring_models import ScoringModels
from consistentid.ray_session import Cluster, RayError, ray_session
from zoo import drawn_faces

pytest.importorskip("ray", reason='ray is not installed: pip install "ray[data]"')
pytest.importorskip("ray.data", reason='ray.data is not installed: pip install "ray[data]"')

pytestmark = pytest.mark.slow
CLUSTER = Cluster(workers=2)
PROMPTS = ["a red hat", "a blue coat", "a man", "a woman"]


@pytest.fixture(scope="module")
def ray():
    with ray_session(CLUSTER) as ray:
        yield ray


@pytest.fixture(scope="module")
def options(clip_folder, dino_folder, zoo_models):
    named = {"clip": clip_folder, "dino": dino_folder, "face-package": zoo_models / "face"}
    return named | {"face-parser": zoo_models / "face_parsing.safetensors"}


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Two people with two photos each, one photo of nobody, and plan.json."""
    folder = tmp_path_factory.mktemp("people")
    for number in range(4):
        who = drawn_faces.sample_person(8 + number // 2, held_out=True)
        photo = drawn_faces.draw_portrait(who, drawn_faces.choose_scene(number, 4, 0, held_out=True), 128).image
        Image.fromarray(photo).save(folder / f"{number}.png")
    Image.new("RGB", (128, 128)).save(folder / "nobody.png")
    plan = {"people": {"ada": ["0.png", "1.png"], "ben": ["2.png", "3.png"]}, "prompts": PROMPTS, "seeds": [1]}
    (folder / "plan.json").write_text(json.dumps(plan))
    return folder


@pytest.fixture
def draw(people):
    """Pictures of the plan in a folder: the photos of the other person; one has none, one shows nobody."""

    def draw(folder):
        gallery, plan = Gallery(folder / "run"), read_plan(people / "plan.json")
        gallery.claim({"engine": "none"})
        for number, case in enumerate(plan.cases[1:]):
            picture = people / ("nobody.png" if number == 2 else f"{(number + 2) % 4}.png")
            gallery.find_picture(case).write_bytes(picture.read_bytes())
            gallery.find_picture(case).with_suffix(".json").write_text('{"seconds": 2.0, "error": ""}')
        return gallery, plan

    return draw


def run(people, gallery, options, *words) -> str:
    models = [word for name, path in options.items() for word in (f"--{name}", path)]
    run_command("run", people / "plan.json", gallery.folder, "--no-draw", *models, *words)
    return (gallery.folder / "report.json").read_text()


def test_the_report_is_that_of_one_machine(ray, people, draw, options, tmp_path, kill_worker):
    """Also where a process is killed; what is scored is not scored again."""
    (here, _), (there, plan) = draw(tmp_path / "here"), draw(tmp_path / "there")
    alone = run(people, here, options)
    report = json.loads(alone)
    assert len(report["summary"]) > 8 and report["failures"] == {"cases": 8, "not_drawn": 1, "face_sim": 1, "fgis": 1}
    counts = []

    def kill(done, total):
        counts.append((done, total))
        if done:
            kill_worker()

    scorer = RayScorer(ScoringModels(**{name.replace("-", "_"): str(path) for name, path in options.items()}), CLUSTER)
    scorer.learn(plan)
    assert json.loads(json.dumps(score_gallery(plan, there, scorer, on_case=kill)))["cases"] == report["cases"]
    assert kill_worker.killed and counts[-1] == (7, 7)
    lines = (there.folder / FILE).read_text().splitlines()
    assert sorted(lines) == sorted((here.folder / FILE).read_text().splitlines())
    assert run(people, there, options, "--ray", "--workers", 2) == alone
    assert (there.folder / FILE).read_text().splitlines() == lines


def test_what_is_wrong_is_said(ray, people, draw, options, tmp_path):
    gallery, _ = draw(tmp_path)
    with pytest.raises(ConsistentIDError, match="The photos of 'eve' cannot be compared with"):
        (people / "eve.csv").write_text("photo,prompt\neve.png,x\n")
        (people / "eve.png").write_bytes((people / "nobody.png").read_bytes())
        run_command("run", people / "eve.csv", tmp_path / "eve", "--no-draw", *map(str, ("--ray", *face(options))))
    with pytest.raises(RayError, match="see no GPU for --device cuda without --gpu-share"):
        run(people, gallery, options, "--ray", "--device", "cuda")
    with pytest.raises(RayError, match="--workers is a number from 1"):
        run(people, gallery, options, "--workers", 0)


def face(options) -> tuple:
    return "--face-package", options["face-package"]


def test_a_picture_that_cannot_be_read_is_told(options):
    """One process, called as Ray calls it."""
    worker = Judge(ScoringModels(), {})
    lines = worker({"number": [4], "task": [Task("ada", "x", {"a.png": b"no picture"})]})
    assert lines["number"] == [4] and "a.png cannot be read as a picture" in lines["made"][0]


def test_a_cluster_that_is_not_there_is_said_before_anything_is_read(people, draw, options, tmp_path):
    gallery, _ = draw(tmp_path)
    with pytest.raises(RayError, match=r"Ray cannot be reached at 127\.0\.0\.1:9"):
        run(people, gallery, options, "--ray", "127.0.0.1:9")
    assert not (gallery.folder / FILE).exists()
