"""`python benchmarks/stages.py PHOTO... --face-package FOLDER`: every stage of a portrait but sampling.

Ours, as the nodes run it, against the released code's way of the same stage on the same
networks: face models as given, BiSeNet, CLIP ViT-H, text encoder, adapter, UNet and VAE at full size of SD1.5 with
seeded weights, in CPU time. The released code keeps nothing: for a new prompt it does again what it does for a new
photo; of ours ComfyUI runs the text stage alone (tests/host/test_state.py counts that). Needs about 6 GB, and opencv.

FOLDER holds a detector and a recogniser as insightface reads them, in a folder "models".
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from host_folder import find_host
from pack import load_pack

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
NEGATIVE = "blurry, low quality"
CAPTION = "The person has one face, one nose, two eyes, two ears, and one mouth."
LATENT = 32
STAGES = (
    "detect, embed",
    "parse",
    "shown in the editor",
    "encode",
    "text, new person",
    "apply",
    "put into the UNet",
)
"""Of a first portrait."""
PARTS = ("photo", "encode", "text", "model", "decode")
COLUMNS = ("stage", "ours", "released code", "ours / theirs")


def main() -> None:
    args = _parse()
    pack = load_pack(Path(args.comfyui).expanduser(), cpu=True)
    import folder_paths
    import torch

    core = pack.consistentid
    photos = {path.name: torch.from_numpy(core.face.photo.open_photo(path))[None] / 255 for path in args.photos}
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        folder_paths.set_temp_directory(folder)
        bench = Bench(pack, args.rounds, not args.first)
        regions, face = measure_photos(bench, photos, args.face_package) if "photo" in args.only else (None, None)
        identity, features = measure_encoding(bench, regions, face) if "encode" in args.only else make_features(core)
        adapter = bench.load_adapter(Path(folder) / "adapter.bin")
        if "text" in args.only:
            measure_text(bench, adapter, identity, features)
        if "model" in args.only:
            measure_model(bench, adapter, identity, features)
        if "decode" in args.only:
            measure_decoding(bench)
    bench.print_sums()


class Bench:
    """Compares both ways of a stage; seconds: {stage: (ours, theirs)}."""

    def __init__(self, pack, rounds: int, warm_up: bool):
        self.nodes, self.core, self.rounds, self.warm_up = pack.nodes, pack.consistentid, rounds, warm_up
        self.seconds: dict[str, tuple[float, float]] = {}

    def compare(self, stage: str, ours: Callable, theirs: Callable) -> None:
        from timing import time_alternating, time_processor

        ways = {"ours": lambda: time_processor(ours), "theirs": lambda: time_processor(theirs)}
        times = list(time_alternating(ways, self.rounds, self.warm_up).values())
        ratio = statistics.median(a / b for a, b in zip(*times, strict=True))
        self.seconds[stage] = (statistics.median(times[0]), statistics.median(times[1]))
        self._print(stage, *self.seconds[stage], ratio)

    def add(self, stage: str, seconds: float) -> None:
        """What the released code has nothing of."""
        self.seconds[stage] = (seconds, 0.0)
        print(f"| {stage} | {seconds:.3f} s | none | |", flush=True)

    def print_sums(self) -> None:
        """Of the first photo."""
        if not self.seconds.keys() >= set(STAGES):
            return
        ours, theirs = (sum(self.seconds[stage][way] for stage in STAGES) for way in (0, 1))
        self._print("**before sampling, new photo**", ours, theirs, ours / theirs)
        theirs -= self.seconds["put into the UNet"][1]
        ours = self.seconds["text, new prompt"][0]
        self._print("**before sampling, new prompt**", ours, theirs, ours / theirs)

    def load_adapter(self, file: Path):
        import full_size
        import torch

        torch.save(full_size.make_parts(self.core, "sd15", torch.float16), file)
        return self.nodes.model.hosting.HostedAdapter.load(str(file))

    def _print(self, stage: str, ours: float, theirs: float, ratio: float) -> None:
        print(f"| {stage} | {ours:.3f} s | {theirs:.3f} s | {ratio:.3f} |", flush=True)


def measure_photos(bench: Bench, photos: dict, package: Path) -> tuple:
    """Detect and parse for each photo, without what the nodes show; returns the regions and the face of the first."""
    import authors
    from insightface.app import FaceAnalysis
    from timing import time_processor

    analysis = bench.core.face.package.load_face_analysis(package, "CPU")
    theirs = FaceAnalysis(package.name, str(package.absolute().parents[1]), providers=["CPUExecutionProvider"])
    theirs.prepare(ctx_id=-1, det_size=(640, 640))
    parser, read = make_parser(bench.core), bench.nodes.boundary.layout.read_pixels
    find = bench.core.face.search.FaceSearch(analysis).find
    parse, labels = bench.core.identity.encode.parse_photo, draw_labels(512)

    def measure_photo(photo, of: str):
        pixels = read(photo)
        found = find(pixels)
        face = found.chosen[0]
        parsed = parse(parser, pixels, 512, face)
        of = of and f" ({of}, {pixels.shape[1]}x{pixels.shape[0]}, {len(found.faces)} faces)"
        # Of a slice, which is another IMAGE to the node.
        bench.compare(f"detect, embed{of}", lambda: find(read(photo[:])), lambda: authors.find_identity(theirs, pixels))
        bench.compare(
            f"parse{of}",
            lambda: parse(parser, pixels, 512, face),
            lambda: authors.parse_face(parser, pixels, labels),
        )
        bench.add(f"shown in the editor{of}", time_processor(lambda: show(bench, found, parsed)))
        return parsed.regions, face

    names = ["", *list(photos)[1:]]
    results = [measure_photo(*pair) for pair in zip(photos.values(), names, strict=True)]
    return results[0]


def show(bench: Bench, found, parsed) -> None:
    """The pictures of Detect Face and Parse Face."""
    nodes, display = bench.nodes, bench.nodes.boundary.display
    nodes.face._list_items(found, None)
    display.show_faces(found.photo, found.faces)
    layout = nodes.boundary.layout
    layout.make_preview(bench.core.face.preview.draw_labels(layout.shrink(found.photo), parsed.map_labels()))
    nodes.regions._show_regions(parsed.regions)
    display.show_regions(parsed.regions, list(parsed.regions.masks))


def measure_encoding(bench: Bench, regions, face) -> tuple:
    """CLIP of photo and regions; returns the Identity, and the features as the released code has them."""
    import authors
    import full_size

    clip_vision, encode = full_size.make_clip_vision(), bench.nodes.identity.EncodeIdentity.execute
    network = bench.nodes.identity.HostedClipVision(clip_vision)
    masks, made = [regions.resize_mask(key) for key in regions.masks], {}

    def encode_new():
        bench.core.identity.encode._zero_features.pop(clip_vision, None)
        made["identity"] = encode(clip_vision, regions, face).args[0]

    def encode_theirs():
        made["features"] = authors.encode_regions(network.encode_pixels, regions.photo, masks)

    bench.compare("encode", encode_new, encode_theirs)
    return made["identity"], made["features"]


def make_features(core) -> tuple:
    """A person with seeded features, and the same as the released code has them."""
    import full_size
    import torch

    identity = full_size.make_identity(core)
    regions = torch.stack(list(identity.region_features.values()))
    zero = identity.zero_features[None]
    return identity, (identity.photo_features[None], zero, regions, zero.expand_as(regions))


def measure_text(bench: Bench, adapter, identity, features: tuple) -> None:
    import authors
    import full_size
    import torch

    clip, inject = full_size.make_clip("sd15"), bench.nodes.conditioning.InjectTokens.execute
    prompts = (f"a portrait, number {number}" for number in count())
    places = torch.arange(10, 10 + len(identity.regions))
    kept = bench.nodes.text.clip._negatives

    def run(person):
        inject(clip, adapter, person, next(prompts), NEGATIVE, 0.6, "auto", "")

    def run_new():
        kept.pop(clip, None)
        run(replace(identity, photo_features=identity.photo_features.clone()))

    def encode(text):
        return clip.encode_from_tokens(clip.tokenize(text))

    def run_theirs():
        prompt = f"{next(prompts)} Detail: {CAPTION}"
        authors.encode_text(encode, adapter.adapter.facial_encoder, features, places, (prompt, prompt, NEGATIVE))

    bench.compare("text, new person", run_new, run_theirs)
    bench.compare("text, new prompt", lambda: run(identity), run_theirs)


def measure_model(bench: Bench, adapter, identity, features: tuple) -> None:
    """Apply, and what puts the adapter into the UNet once: the host's merging, or new processors."""
    import authors
    import comfy.model_management
    import full_size
    import torch

    model, apply = full_size.make_model("sd15", torch.float32), bench.nodes.adapter.ApplyAdapter.execute
    weights = full_size.make_parts(bench.core, "sd15", torch.float16)["adapter_modules"]
    embedding = torch.nn.functional.normalize(torch.ones(512), dim=0)

    def run():
        return apply(model, adapter, replace(identity), 1.0, 1.0).args[0]

    bench.compare(
        "apply", run, lambda: authors.project_identity(adapter.adapter.id_projection, embedding, features[:2])
    )
    patched = run()

    def merge():
        comfy.model_management.load_models_gpu([patched, *patched.model_patches_models()])

    def install():
        comfy.model_management.load_models_gpu([model])  # so that the next merge begins anew
        authors.install_processors(weights)

    comfy.model_management.load_models_gpu([model])
    bench.compare("put into the UNet", merge, install)


def measure_decoding(bench: Bench) -> None:
    """The host's own, in which this pack has no part."""
    import comfy.sd
    import full_size
    import torch
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    blocks: dict[str, Any] = {
        "block_out_channels": [128, 256, 512, 512],
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
    }
    vae: Any = AutoencoderKL(layers_per_block=2, latent_channels=4, **blocks).eval()
    full_size.fill(vae)
    hosted = comfy.sd.VAE(sd={key: tensor.clone() for key, tensor in vae.state_dict().items()})
    latents = torch.randn(1, 4, LATENT, LATENT)
    bench.compare(f"decode, {LATENT * 8} px", lambda: hosted.decode(latents), lambda: vae.decode(latents))


def make_parser(core):
    """BiSeNet at full size, which runs and then says the same of every head."""
    import full_size

    class DrawnParser(core.face.parsing.BiSeNet):
        def parse(self, photo, side_px=512):
            super().parse(photo, side_px)
            return draw_labels(side_px)

    parser = DrawnParser().eval()
    full_size.fill(parser)
    parser.source = "seeded"
    return parser


def draw_labels(side_px: int):
    """A head in the middle of a square: skin, eyes, ears, nose, lips."""
    import numpy as np
    from PIL import Image, ImageDraw

    image = Image.new("L", (100, 100))
    draw = ImageDraw.Draw(image)
    parts = {17: (22, 10, 78, 80), 1: (28, 20, 72, 80), 4: (35, 40, 45, 46), 5: (55, 40, 65, 46)}
    parts |= {
        7: (24, 42, 29, 56),
        8: (71, 42, 76, 56),
        10: (46, 44, 54, 60),
        12: (40, 64, 60, 68),
        13: (40, 68, 60, 73),
    }
    for label, box in parts.items():
        draw.ellipse(box, fill=label)
    return np.asarray(image.resize((side_px, side_px), Image.Resampling.NEAREST))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python benchmarks/stages.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("photos", nargs="+", type=Path, help="the first goes on to the later stages")
    parser.add_argument("--face-package", type=Path, required=True, help="folder of ONNX models in a folder 'models'")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of alternation (default 5)")
    parser.add_argument("--first", action="store_true", help="one call of each stage, without a warm-up before it")
    parser.add_argument("--comfyui", default=find_host())
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="without photo, no encode")
    args = parser.parse_args()
    if "encode" in args.only and "photo" not in args.only:
        parser.error("encode needs photo")
    args.rounds = 1 if args.first else args.rounds
    return args


if __name__ == "__main__":
    main()
