"""Combining, mixing and adjusting identities by node, and what strengths do to the conditioning."""

import importlib
from dataclasses import replace

import pytest
import torch

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def nodes(host):
    """The node modules; imported by name, so that they need not be in the pack's list."""
    names = ("mixing", "presets")
    return {name: importlib.import_module(f"{host.__name__}.nodes.{name}") for name in names}


@pytest.fixture
def photos(make_identity):
    """Three photos of one person and one of another."""
    first = make_identity(seed=1)
    rest = [replace(make_identity(seed=seed), zero_features=first.zero_features) for seed in (2, 3, 4)]
    axis = torch.nn.functional.one_hot(torch.tensor(0), 512).float()
    near = [torch.nn.functional.normalize(axis + 0.02 * person.id_embedding, dim=0) for person in (first, *rest)]
    people = [replace(person, id_embedding=e, quality=0.5) for person, e in zip((first, *rest), near, strict=True)]
    people[2] = replace(people[2], id_embedding=-axis.roll(1))
    return people


def combine(nodes, *arguments, method="mean", weights="", outlier_below=0.25, **others):
    """As the host calls it: every input is a list."""
    run = nodes["mixing"].CombineIdentities.execute
    return run(*arguments[:1], [method], [weights], [outlier_below], *arguments[1:], **others).result


def test_a_list_and_single_chains_are_combined(nodes, photos):
    whole, report = combine(nodes, photos)
    assert report.startswith("3 of 4") and "Identity 3: weight 0.00" in report and "left out" in report
    mean = (photos[0].photo_features + photos[1].photo_features + photos[3].photo_features) / 3
    assert torch.allclose(whole.photo_features, mean, atol=1e-6)
    parts, _ = combine(nodes, photos[:1], [photos[1]], [photos[2]], [photos[3]])
    assert torch.equal(parts.photo_features, whole.photo_features)
    assert combine(nodes, photos[:2], caption=["mine"])[0].caption == "mine"
    assert combine(nodes, photos[:2], method="best")[0] is photos[0]


def test_captions_of_each_photo_are_refused(host, nodes, photos):
    with pytest.raises(host.consistentid.errors.ConsistentIDError, match="2 texts for one person"):
        combine(nodes, photos[:2], caption=["mine", "other"])


def test_own_weights(host, nodes, photos):
    person, report = combine(nodes, photos[:2], weights=" 1, .25 ")
    assert torch.allclose(
        person.photo_features, 0.8 * photos[0].photo_features + 0.2 * photos[1].photo_features, atol=1e-6
    )
    assert "weight 0.80" in report
    for weights, message in {
        "1; 2": "not a list of weights",
        "1, 2, 3": r"identities \(2\)",
        "a": "one number per",
    }.items():
        with pytest.raises(host.consistentid.errors.ConsistentIDError, match=message):
            combine(nodes, photos[:2], weights=weights)


def test_mixing_by_node(nodes, photos):
    a, b = photos[:2]
    choices = dict.fromkeys(("face", "ears", "eyes", "nose", "mouth", "eyebrows", "hair"), "mixed")
    run = nodes["mixing"].MixIdentities.execute
    mixed, report = run(a, b, 0.25, **{**choices, "eyes": "A", "nose": "B"}).result
    assert torch.equal(mixed.region_features["Left_Eye"], a.region_features["Left_Eye"])
    assert torch.equal(mixed.region_features["Nose"], b.region_features["Nose"])
    assert torch.allclose(mixed.photo_features, 0.75 * a.photo_features + 0.25 * b.photo_features, atol=1e-6)
    assert "eyes: A." in report and "nose: B." in report
    inputs = {i.id for i in nodes["mixing"].MixIdentities.GET_SCHEMA().inputs}
    assert inputs == {"identity_a", "identity_b", "amount", *choices}


def test_presets_fit_the_nodes_they_are_wired_to(host, nodes):
    preset = nodes["presets"].SelectPreset
    assert preset.execute("balanced").result == (1.0, 1.0, 0.6)
    apply, inject = host.nodes.adapter.ApplyAdapter.GET_SCHEMA(), host.nodes.conditioning.InjectTokens.GET_SCHEMA()
    inputs = {i.id: i for i in (*apply.inputs, *inject.inputs)}
    for name in preset.GET_SCHEMA().inputs[0].options:
        for output, value in zip(preset.GET_SCHEMA().outputs, preset.execute(name).result, strict=True):
            assert inputs[output.id].min <= value <= inputs[output.id].max


def test_new_nodes_have_ids_that_do_not_clash_and_help(host, nodes):
    from pathlib import Path

    mixing = nodes["mixing"]
    for node in (mixing.CombineIdentities, mixing.MixIdentities, mixing.AdjustRegions, nodes["presets"].SelectPreset):
        schema = node.GET_SCHEMA()
        page = (Path(host.__file__).parent / "js" / "docs" / f"{schema.node_id}.md").read_text()
        assert schema.node_id.startswith("ConsistentID_") and page.startswith(f"# {schema.display_name}\n")
        for socket in (*schema.inputs, *schema.outputs):
            assert (getattr(socket, "display_name", None) or socket.id) in page or socket.id in page, socket.id


@pytest.fixture
def inject(host, checkpoint, adapter):
    def run(identity, caption="a wide mouth, small nose, blue eyes, big ears, round face", alignment="auto"):
        return host.nodes.conditioning.InjectTokens.execute(
            checkpoint[1], adapter, identity, "a person", "blurry", 0.6, alignment, caption
        ).result

    return run


def facial(conditioning):
    return next(text for text, extra in conditioning if extra.get("consistentid_stage", {}).get("name") != "text")


def plain(conditioning):
    return next(text for text, extra in conditioning if extra["consistentid_stage"]["name"] == "text")


@pytest.mark.parametrize("alignment", ["auto", "published"])
def test_strengths_act_on_their_words_and_on_the_negative(nodes, inject, make_identity, alignment):
    identity = make_identity()
    adjust = nodes["mixing"].AdjustRegions.execute
    positive, negative, _, report = inject(identity, alignment=alignment)
    rows = (facial(positive) != plain(positive)).any(-1)[0].nonzero().flatten().tolist()
    assert len(rows) == 5 and "(" not in report
    same = inject(adjust(identity, eyes=1.0, nose=1.0).result[0], alignment=alignment)
    assert torch.equal(facial(same[0]), facial(positive)) and torch.equal(same[1][0][0], negative[0][0])
    changed = adjust(identity, eyes=0.0, nose=0.5).result[0]
    weaker = inject(changed, alignment=alignment)
    assert "eyes (0)" in weaker[3] and "nose (0.5)" in weaker[3]
    # Text order face, ears, eyes, nose, mouth; published features come as face, eyes, ears, nose, mouth.
    eyes, nose = (
        (rows[1], rows[3]) if alignment == "published" else (find_word(weaker, rows, word) for word in ("eyes", "nose"))
    )
    kept = [row for row in range(77) if row not in (eyes, nose)]
    assert torch.equal(facial(weaker[0])[0, kept], facial(positive)[0, kept])
    assert torch.equal(facial(weaker[0])[0, eyes], plain(positive)[0, eyes])
    half = (facial(positive)[0, nose] + plain(positive)[0, nose]) / 2
    assert torch.allclose(facial(weaker[0])[0, nose], half, atol=1e-5)
    assert torch.equal(weaker[1][0][0][0, kept], negative[0][0][0, kept])
    assert not torch.equal(weaker[1][0][0][0, nose], negative[0][0][0, nose])


def find_word(result, rows, word):
    """The row of a word: facial tokens come in text order."""
    clauses = [clause for clause in result[2].split(",") if "<|facial|>" in clause]
    return rows[next(number for number, clause in enumerate(clauses) if word in clause)]


def test_all_strengths_zero_leave_the_text(nodes, inject, make_identity):
    words = dict.fromkeys(("face", "ears", "eyes", "nose", "mouth"), 0.0)
    positive, negative, *_ = inject(nodes["mixing"].AdjustRegions.execute(make_identity(), **words).result[0])
    assert torch.equal(facial(positive), plain(positive))
    other = inject(make_identity(regions=()), caption="")[1]
    assert torch.equal(negative[0][0], other[0][0])


def test_lists_of_identities_through_the_hosts_executor(host, nodes, photos, monkeypatch):
    """One photo per list item in, one identity out, and one run of what follows."""
    import execution
    from comfy_api.latest import io

    import nodes as host_nodes

    runs = []

    class Photos(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            output = host.nodes.boundary.sockets.Identity.Output("identity", is_output_list=True)
            return io.Schema(node_id="Photos", category="test", outputs=[output])

        @classmethod
        def execute(cls):
            return io.NodeOutput(photos)

    class Look(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            inputs = [host.nodes.boundary.sockets.Identity.Input("identity"), io.String.Input("report")]
            return io.Schema(node_id="Look", category="test", inputs=inputs, is_output_node=True)

        @classmethod
        def execute(cls, identity, report):
            runs.append((identity, report))
            return io.NodeOutput()

    class Server:
        client_id = last_node_id = last_prompt_id = None

        def send_sync(self, *arguments):
            pass

    for node in (Photos, Look, nodes["mixing"].CombineIdentities):
        monkeypatch.setitem(host_nodes.NODE_CLASS_MAPPINGS, node.GET_SCHEMA().node_id, node)
    widgets = {"method": "mean", "weights": "", "outlier_below": 0.25}
    prompt = {
        "1": {"class_type": "Photos", "inputs": {}},
        "2": {"class_type": "ConsistentID_CombineIdentities", "inputs": {"identity_1": ["1", 0], **widgets}},
        "3": {"class_type": "Look", "inputs": {"identity": ["2", 0], "report": ["2", 1]}},
    }
    executor = execution.PromptExecutor(Server())
    executor.cache_args = {"ram": 0.0, "ram_inactive": 0.0}  # newer hosts read it after each node
    executor.execute(prompt, "run", {}, ["3"])
    assert executor.success, executor.status_messages
    [(person, report)] = runs
    assert report.startswith("3 of 4") and torch.equal(person.photo_features, combine(nodes, photos)[0].photo_features)


def test_strengths_are_sliders(nodes):
    inputs = [one for one in nodes["mixing"].AdjustRegions.GET_SCHEMA().inputs if one.get_io_type() == "FLOAT"]
    assert len(inputs) == 7 and all(one.as_dict()["display"] == "slider" for one in inputs)
