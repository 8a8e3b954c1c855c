"""Pictures drawn by Ray: those of one machine, bit for bit, also where a process is killed."""

import json
from functools import partial

import pytest
import torch
from headless_models import run_command
from PIL import Image

from consistentid.errors import ConsistentIDError
from consistentid.evaluation.gallery import Gallery
from consistentid.evaluation.headless import Headless
from consistentid.evaluation.plan import read_plan
from consistentid.evaluation.ray_headless import RayHeadless
from consistentid.headless.plan import read_rows
from consistentid.headless.plan_run import draw_plan
from consistentid.headless.portrait_settings import PortraitSettings
from consistentid.headless.ray_hands import RayHands
from consistentid.identity.file import load_identity
from consistentid.ray_session import Cluster, ray_session
from zoo import drawn_faces

pytest.importorskip("ray", reason='ray is not installed: pip install "ray[data]"')
pytest.importorskip("ray.data", reason='ray.data is not installed: pip install "ray[data]"')

pytestmark = pytest.mark.slow
OPTIONS = ["--base", "zoo", "--steps", 2]
CLUSTER = Cluster(workers=2)
PLAN = """name,photo,prompt,seed,change
one,ada.png,a man in a hat,5,
two,ada.png,a man,6,
aged,ada.png,a woman,6,age=old; eyes=blue
nobody,nobody.png,a man,1,
three,ben.png,a man,7,
four,ben.png,a man,8,
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As a process of Ray has: other numbers of threads round differently on a CPU."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def ray():
    with ray_session(CLUSTER) as ray:
        yield ray


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Two people and a picture of nobody."""
    folder = tmp_path_factory.mktemp("people")
    for number, name in enumerate(("ada", "ben"), 8):
        where = drawn_faces.choose_scene(number, 4, 0, held_out=True)
        photo = drawn_faces.draw_portrait(drawn_faces.sample_person(number, held_out=True), where, 256).image
        Image.fromarray(photo).save(folder / f"{name}.png")
    Image.new("RGB", (256, 256)).save(folder / "nobody.png")
    (folder / "people.csv").write_text(PLAN)
    return folder


@pytest.fixture(scope="module")
def expected(people, tmp_path_factory):
    """What one machine draws, without Ray."""
    out = tmp_path_factory.mktemp("here") / "out"
    assert run_command("--plan", people / "people.csv", "--out", out, "--at-once", 2, *OPTIONS) == 1
    return read_files(out)


def read_files(folder) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".consistentid.lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_plan_draws_what_one_machine_draws(ray, people, expected, tmp_path, capsys, kill_worker):
    """Pictures, table and identities, also where a process is killed; one machine goes on with them."""
    counts, out = [], tmp_path / "out"

    def watch(word, done, total):
        counts.append((done, total))
        if word == "Drawn" and done:
            kill_worker()

    out.mkdir()
    rows, models = read_rows(people / "people.csv", PortraitSettings(base="zoo", steps=2))
    outcome = draw_plan(rows, models, out, 2, watch=watch, choose_hands=partial(RayHands, ray, CLUSTER))
    assert kill_worker.killed and counts[-1] == (5, 5) and outcome.drawn == 5 and outcome.problems.keys() == {5}
    made = read_files(out)
    assert made.keys() == expected.keys() and b"No face found" in made["portraits.csv"]
    for name in made:
        if name.startswith("identities/"):  # their metadata have no order
            assert load_identity(out / name).describe()
        else:
            assert made[name] == expected[name], name
    (out / "two.png").unlink()
    assert run_command("--plan", people / "people.csv", "--out", out, "--at-once", 2, *OPTIONS) == 1
    said = capsys.readouterr().out
    assert "Pictures drawn: 1, " in said and "; there before: 4." in said
    assert read_files(out).keys() == made.keys()


def test_an_evaluation_draws_what_one_machine_draws(ray, people, tmp_path, kill_worker):
    """Also where a process is killed; a photo of nobody is noted, captions act."""
    plan = {"people": {name: [f"{name}.png"] for name in ("ada", "ben", "nobody")}, "prompts": ["a man", "a woman"]}
    (people / "plan.json").write_text(json.dumps(plan | {"captions": {"ada": "narrow face, brown eyes"}}))
    plan = read_plan(people / "plan.json")
    settings = PortraitSettings(base="zoo", steps=2)
    alone = Headless(settings, plan.first_photo, plan.captions_by_photo)
    on_ray = RayHeadless(settings, plan.first_photo, plan.captions_by_photo, CLUSTER)
    here, there = Gallery(tmp_path / "here"), Gallery(tmp_path / "there")
    assert here.draw_missing(plan, alone, "{prompt}") == 4
    assert there.draw_missing(plan, on_ray, "{prompt}", lambda done, total: done and kill_worker()) == 4
    assert kill_worker.killed and here.read_record() == there.read_record()
    for case in plan.cases:
        one, other = here.read_entry(case), there.read_entry(case)
        assert one.error == other.error and bool(one.error) == (case.person == "nobody")
        if not one.error:
            assert here.find_picture(case).read_bytes() == there.find_picture(case).read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--face", "x", "--prompt", "x", "--ray"), "--ray draws a plan"),
        (("--plan", "x", "--ray", "--workers", 0), "--workers is a number from 1"),
        (("--plan", "PLAN", "--ray", "--device", "cuda", *OPTIONS), "see no GPU.*--gpu-share"),
        (("--plan", "PLAN", "--ray", "127.0.0.1:9", *OPTIONS), "Ray cannot be reached"),
    ],
)
def test_what_is_wrong_is_said(words, message, people, tmp_path):
    words = [people / "people.csv" if word == "PLAN" else word for word in words]
    with pytest.raises(ConsistentIDError, match=message):
        run_command("--out", tmp_path / "out", *words)
