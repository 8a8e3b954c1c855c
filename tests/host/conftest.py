"""Models for the host tests: golden tiny UNets, and stand-ins with random weights."""

from pathlib import Path

import pytest
import torch

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


@pytest.fixture(scope="session")
def tiny(host, load_module):
    """Builders of the golden tiny UNets (see tiny_unet.py)."""
    load_module(ROOT / "benchmarks" / "full_size.py")
    return load_module(HERE / "tiny_unet.py")


@pytest.fixture(scope="session")
def run(tiny, load_module):
    """Seeded runs of the tiny UNets (see tiny_run.py)."""
    return load_module(HERE / "tiny_run.py")


@pytest.fixture(scope="session")
def neighbours(host, load_module):
    """Finds other packs (see neighbours.py)."""
    return load_module(HERE / "neighbours.py")


@pytest.fixture(scope="module")
def portrait(host, tiny, run):
    """A person, and a tiny UNet to draw it with."""
    return run.Portrait(host, tiny)


@pytest.fixture(scope="session")
def standins(host, comfyui, load_module) -> Path:
    """A models folder with seeded files in the real formats; made once, then kept in .cache."""
    return load_module(ROOT / "tests" / "stand_ins" / "standins.py").prepare(comfyui)


@pytest.fixture(scope="session")
def checkpoint(standins):
    """MODEL, CLIP and VAE of the SD1.5 stand-in."""
    import comfy.sd
    import folder_paths

    path = next((standins / "checkpoints").glob("standin_sd15*.safetensors"))
    embeddings = folder_paths.get_folder_paths("embeddings")
    return comfy.sd.load_checkpoint_guess_config(str(path), embedding_directory=embeddings)[:3]


@pytest.fixture(scope="session")
def adapter(host, standins):
    return host.nodes.model.hosting.HostedAdapter.load(str(standins / "consistentid" / "standin_consistentid_sd15.bin"))


@pytest.fixture
def make_identity(host):
    """A person with seeded features; by default with all five regions."""

    def make(regions=("Face", "Left_Eye", "Left_Ear", "Nose", "Upper_Lip"), seed=0, **fields):
        generator = torch.Generator().manual_seed(seed)
        features = {key: torch.randn(257, 1280, generator=generator) for key in ("photo", "zero", *regions)}
        embedding = torch.nn.functional.normalize(torch.randn(512, generator=generator), dim=0)
        return host.consistentid.identity.Identity(
            features.pop("photo"), features.pop("zero"), features, **{"id_embedding": embedding, **fields}
        )

    return make
