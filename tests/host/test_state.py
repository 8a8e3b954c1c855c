"""Nothing stays behind: after any change of mind or failure a run is bit-equal to one from a fresh start."""

import asyncio
import collections
import gc
import inspect
import itertools

import pytest
import torch

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def portraits(host, tiny, run):
    return {name: run.Portrait(host, tiny, name) for name in ("sd15", "sdxl")}


def make_other_person(host, portrait):
    other = host.consistentid.identity.Identity(torch.zeros(257, 1280), torch.zeros(257, 1280), {})
    portrait.hosted._id_tokens[other] = host.consistentid.adapter.tokens.Pair(*portrait.id_tokens.flip(-1))
    return other


def test_each_change_of_mind_is_a_fresh_start(host, tiny, run, portraits):
    """Apply, remove, apply again, other weights, another base, another person: on MODELs that are kept."""
    portrait = portraits["sd15"]
    other = make_other_person(host, portrait)

    def put_other(model):
        return host.nodes.model.patching.apply_adapter(model, portrait.hosted, other)

    ways = {
        "plain": ("sd15", lambda model: model),
        "person": ("sd15", portrait.apply),
        "weaker": ("sd15", lambda model: portrait.apply(model, 0.5, 0.3)),
        "other person": ("sd15", put_other),
        "plain sdxl": ("sdxl", lambda model: model),
        "person sdxl": ("sdxl", portraits["sdxl"].apply),
    }
    conditions = {name: one.make_conditions() for name, one in portraits.items()}

    def sample(model, way):
        return run.sample(model, conditions[ways[way][0]], sigmas=run.SIGMAS[1:])

    fresh = {way: sample(change(tiny.make_model(name)), way) for way, (name, change) in ways.items()}
    kept = {way: change(portraits[name].model) for way, (name, change) in ways.items()}
    order = "person, plain, person, weaker, plain sdxl, other person, person sdxl, plain, plain sdxl, person, weaker"
    for way in order.split(", "):
        assert torch.equal(sample(kept[way], way), fresh[way]), way


def break_run(portrait, run, error, call):
    """A run that fails inside the UNet, in the given call of its middle block."""
    calls = []

    def fail(*_):
        calls.append(1)
        if len(calls) == call:
            raise error

    block = portrait.model.model.diffusion_model.middle_block[1]
    handle = block.register_forward_pre_hook(fail)
    try:
        with pytest.raises(type(error)):
            run.sample(portrait.apply(), portrait.make_conditions())
    finally:
        handle.remove()
    assert len(calls) == call


@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize("failure", ["interrupt", "out of memory"])
def test_a_run_that_failed_leaves_no_trace(portraits, tiny, run, failure, call):
    import comfy.model_management as management

    portrait = portraits["sd15"]
    conditions = portrait.make_conditions()
    error = management.InterruptProcessingException() if failure == "interrupt" else management.OOM_EXCEPTION("full")
    fresh = [run.sample(model, conditions) for model in (tiny.make_model(), portrait.apply(tiny.make_model()))]
    break_run(portrait, run, error, call)
    assert torch.equal(run.sample(portrait.model, conditions), fresh[0])
    break_run(portrait, run, error, call)
    assert torch.equal(run.sample(portrait.apply(), conditions), fresh[1])


class Server:
    """What ComfyUI's execution asks of a server."""

    client_id = last_node_id = last_prompt_id = None

    def send_sync(self, event, data, sid=None):
        if event == "execution_error":
            raise AssertionError(f"{data['node_type']}: {data['exception_message']}")


def make_source(kinds, names, values):
    """A node without inputs but a number, whose outputs are given; a V1 class, as the host still takes them."""

    class Source:
        RETURN_TYPES, RETURN_NAMES, FUNCTION, CATEGORY = kinds, names, "give", "test"

        @classmethod
        def INPUT_TYPES(cls):
            return {"required": {"number": ("INT", {"default": 0})}}

        def give(self, number):
            return values()

    return Source


@pytest.fixture
def queue(host, comfyui, tiny, portraits, monkeypatch):
    """Runs a graph through ComfyUI's own execution and returns the latent that reaches its end."""
    import execution
    from comfy_extras import nodes_freelunch, nodes_hooks, nodes_pag

    import nodes

    latents = []

    class End:
        RETURN_TYPES, FUNCTION, OUTPUT_NODE, CATEGORY = (), "keep", True, "test"

        @classmethod
        def INPUT_TYPES(cls):
            return {"required": {"latent": ("LATENT",)}}

        def keep(self, latent):
            latents.append(latent["samples"].clone())
            return {}

    half = torch.zeros(1, 64, 64)
    half[:, :, :32] = 1
    classes = {"End": End, "FreeU": nodes_freelunch.FreeU, "PAG": nodes_pag.PerturbedAttentionGuidance}
    classes["Half"] = make_source(("MASK",), ("mask",), lambda: (half,))
    for name, portrait in portraits.items():
        classes[f"Model {name}"] = make_source(("MODEL",), ("model",), lambda name=name: (tiny.make_model(name),))
        classes[f"Person {name}"] = make_source(
            ("CONSISTENTID_ADAPTER", "CONSISTENTID_IDENTITY", "CONDITIONING", "CONDITIONING"),
            ("adapter", "identity", "positive", "negative"),
            lambda portrait=portrait: (portrait.hosted, portrait.identity, *portrait.make_conditions()),
        )
    ours = host.nodes
    for node in (
        ours.adapter.ApplyAdapter,
        ours.hooks.HookIdentity,
        ours.people.AddPerson,
        ours.sampler.SamplePortrait,
        ours.zoo.LoadZoo,
        ours.zoo.DrawPerson,
        ours.face.DetectFace,
        ours.regions.ParseFace,
        ours.identity.EncodeIdentity,
        ours.conditioning.InjectTokens,
    ):
        classes[node.GET_SCHEMA().node_id] = node
    classes["PairProperties"] = nodes_hooks.PairConditioningSetProperties
    for name, node in classes.items():
        monkeypatch.setitem(nodes.NODE_CLASS_MAPPINGS, name, node)
    takes_arguments = "cache_args" in inspect.signature(execution.PromptExecutor).parameters  # from 0.8 on
    arguments = {"cache_args": {"ram": 16.0, "ram_inactive": 16.0}} if takes_arguments else {}
    executor = execution.PromptExecutor(Server(), **arguments)

    def run_graph(graph):
        valid = asyncio.run(execution.validate_prompt("test", graph, None))
        assert valid[0], valid
        executor.execute(graph, "test", {}, valid[2])
        assert executor.success
        return latents.pop()

    run_graph.executor = executor
    return run_graph


def make_graph(name="sd15", apply=True, hook=False, patch=None, mask=False, number=0, sampler="KSampler", **settings):
    """A graph in the API's form: model, person, patches, sampler."""

    def node(kind, **inputs):
        return {"class_type": kind, "inputs": inputs}

    graph = {
        "model": node(f"Model {name}", number=number),
        "person": node(f"Person {name}", number=number),
        "latent": node("EmptyLatentImage", width=64, height=128, batch_size=1),
    }
    model, identity = ["model", 0], ["person", 1]
    if mask:
        graph["half"] = node("Half", number=0)
        graph["people"] = node("ConsistentID_AddPerson", identity=identity, mask=["half", 0], weight=1.0)
        identity = ["people", 0]
    positive, negative = ["person", 2], ["person", 3]
    inputs = {"adapter": ["person", 0], "identity": identity, "weight": 0.8, "lora_weight": 1.0}
    if hook:
        graph["hook"] = node("ConsistentID_HookIdentity", **inputs)
        pair = {"positive_NEW": positive, "negative_NEW": negative, "hooks": ["hook", 0]}
        graph["pair"] = node("PairProperties", strength=1.0, set_cond_area="default", **pair)
        positive, negative = ["pair", 0], ["pair", 1]
    elif apply:
        graph["apply"] = node("ConsistentID_ApplyAdapter", model=model, **inputs)
        model = ["apply", 0]
    if patch:
        kind, values = patch
        graph["patch"] = node(kind, model=model, **values)
        model = ["patch", 0]
    values = {"seed": 3, "steps": 2, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    links = {"model": model, "positive": positive, "negative": negative, "latent_image": ["latent", 0]}
    graph["sampler"] = node(sampler, **{**values, **links, **settings})
    graph["end"] = node("End", latent=["sampler", 0])
    return graph


GRAPHS = [
    {"apply": False},
    {},
    {"hook": True, "seed": 4},
    {"patch": ("FreeU", {"b1": 1.1, "b2": 1.2, "s1": 0.9, "s2": 0.2})},
    {"name": "sdxl"},
    {"patch": ("PAG", {"scale": 3.0})},
    {"name": "sdxl", "apply": False},
    {"mask": True},
    {"sampler": "ConsistentID_Sampler", "start_merge_step": -1, "number": 1},
    {"denoise": 0.5, "sampler_name": "dpmpp_2m"},
]


def count_tensors() -> int:
    gc.collect()
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


def free_everything(executor) -> None:
    """As the host does on request: outputs forgotten, models unloaded."""
    import comfy.model_management as management

    executor.reset()
    management.unload_all_models()
    management.cleanup_models_gc()
    management.soft_empty_cache()


def test_ten_graphs_in_a_row(queue):
    """Some once more, in another order: the same latents; afterwards nothing is loaded and no tensor is left."""
    import comfy.model_management as management

    queue(make_graph())
    free_everything(queue.executor)
    before = count_tensors()
    first = [queue(make_graph(**graph)) for graph in GRAPHS]
    for index in (7, 4, 2, 1, 0):
        assert torch.equal(queue(make_graph(**{**GRAPHS[index], "number": 2})), first[index])
    assert not any(torch.equal(*pair) for pair in itertools.combinations(first, 2))
    assert management.current_loaded_models
    del first
    free_everything(queue.executor)
    assert not management.current_loaded_models
    assert count_tensors() <= before


def make_photo_graph(prompt="a person in a park", seed=3):
    """From a photo to the latent, with the small models."""

    def node(kind, **inputs):
        return {"class_type": kind, "inputs": inputs}

    clip, vision, adapter, analysis, parser = (["models", place] for place in (1, 3, 4, 5, 6))
    detect = {"select": "largest", "index": 0, "threshold": 0.5, "on_no_face": "error", "channel_order": "BGR"}
    texts = {"prompt": prompt, "negative": "blurry", "merge_at": 0.6, "alignment": "auto"}
    person = {"adapter": adapter, "identity": ["identity", 0]}
    values = {"seed": seed, "steps": 1, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    links = {"model": ["apply", 0], "positive": ["text", 0], "negative": ["text", 1], "latent_image": ["latent", 0]}
    return {
        "models": node("ConsistentID_LoadZoo"),
        "photo": node("ConsistentID_DrawPerson", person=3, scene=0, side_px=256),
        "face": node("ConsistentID_DetectFace", face_analysis=analysis, image=["photo", 0], **detect),
        "regions": node(
            "ConsistentID_ParseFace", face_parser=parser, image=["face", 5], side_px="512", face=["face", 0]
        ),
        "identity": node("ConsistentID_EncodeIdentity", clip_vision=vision, regions=["regions", 0], face=["face", 0]),
        "text": node("ConsistentID_InjectTokens", clip=clip, **person, **texts),
        "apply": node("ConsistentID_ApplyAdapter", model=["models", 0], **person, weight=1.0, lora_weight=1.0),
        "latent": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "sampler": node("KSampler", **values, **links),
        "end": node("End", latent=["sampler", 0]),
    }


def test_a_new_prompt_runs_the_text_stage_alone(queue, host, monkeypatch):
    """Each network sees a photo once, whose pixels are hashed once; another prompt encodes that prompt, no more."""
    core, calls = host.consistentid, collections.Counter()

    def count(owner, name):
        work = getattr(owner, name)

        def counted(*args, **kwargs):
            calls[name] += 1
            return work(*args, **kwargs)

        monkeypatch.setattr(owner, name, counted)

    count(core.face.onnx_models.Detector, "detect")
    count(core.face.onnx_models.Recogniser, "get_feat")
    count(core.face.parsing.BiSeNet, "parse")
    count(core.face.photo, "_compute_hash")
    count(host.nodes.identity.HostedClipVision, "encode_pixels")
    count(core.adapter.facial_encoder.FacialEncoder, "encode_regions")
    count(core.adapter.id_projection.IDProjection, "forward")
    count(host.nodes.text.clip.HostedText, "encode")
    first = queue(make_photo_graph())
    photo = ("detect", "get_feat", "parse", "_compute_hash", "encode_regions", "forward")
    texts = calls.pop("encode")
    assert calls == dict.fromkeys(photo, 1) | {"encode_pixels": 2}, "CLIP: the photo with its regions, and nobody"
    calls.clear()
    other = queue(make_photo_graph(prompt="a person at the sea"))
    assert not torch.equal(first, other) and calls.keys() == {"encode"} and calls["encode"] < texts
    calls.clear()
    assert not torch.equal(queue(make_photo_graph(prompt="a person at the sea", seed=4)), other) and not calls
