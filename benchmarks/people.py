"""`python benchmarks/people.py`: what each further person costs in a step, by Apply with masks and by hooks.

SD1.5's UNet at full size with seeded weights, two rows of guidance, sampled by the host; CPU time in alternation, as
ratios to one person without a mask. Needs about 6 GB.
"""

import argparse
import os
from pathlib import Path

from host_folder import find_host
from pack import load_pack

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
STEPS = 2
LATENT = (32, 32)


def main() -> None:
    args = _parse()
    pack = load_pack(Path(args.comfyui).expanduser(), cpu=True)
    import torch
    from figures import Bench
    from timing import compare, time_alternating, time_processor

    with torch.inference_mode():
        bench = Bench(pack, "sd15", args.rounds)
        ways = {name: prepare(bench, *asked) for name, asked in list_ways(args.most).items()}
        seconds = time_alternating(
            {name: lambda way=way: time_processor(way) for name, way in ways.items()}, args.rounds, warm_up=False
        )
        bench.close()
    print(f"| way | {STEPS} steps | to one person |\n|---|---|---|")
    for name, figures in compare(seconds).items():
        print(f"| {name} | {figures['seconds']:.2f} s | {figures.get('to_one person', 1):.3f} |")


def list_ways(most: int) -> dict[str, tuple[int, bool]]:
    """{name: (people, as hooks)}; one person without a mask is first."""
    numbers = [2**power for power in range(1, most.bit_length())]
    ways = {"one person": (1, False)} | {f"{number} people with masks": (number, False) for number in numbers}
    return (
        ways | {"one person by hooks": (1, True)} | {f"{number} people by hooks": (number, True) for number in numbers}
    )


def prepare(bench, number: int, as_hooks: bool):
    """A function that samples a picture of so many people, each in a column of its own."""
    import comfy.sample
    import comfy.samplers
    import full_size
    import torch

    core, nodes = bench.pack.consistentid, bench.pack.nodes
    people = [full_size.make_identity(core) for _ in range(number)]
    masks = [make_column(place, number) for place in range(number)]
    texts = [torch.randn(1, 77, bench.hosted.config.width, generator=torch.Generator().manual_seed(n)) for n in (0, 1)]
    if as_hooks:
        groups = [nodes.hooks.make_hooks(bench.hosted, person) for person in people]
        shared = [{"hooks": group, "mask": mask} for group, mask in zip(groups, masks, strict=True)]
        conditions = [[[text, dict(extra)] for extra in shared] for text in texts]
        model = bench.model
    else:
        person = core.identity.people.Person
        placed = zip(people, map(core.adapter.masks.AttentionMask, masks), strict=True)
        conditions = [[[text, {}]] for text in texts]
        model = bench.apply(bench.model, bench.hosted, people[0] if number == 1 else tuple(person(*x) for x in placed))
    sigmas = torch.tensor([8.0, 3.0, 1.0][: STEPS + 1])
    euler = comfy.samplers.sampler_object("euler")
    noise = torch.randn(1, 4, *LATENT, generator=torch.Generator().manual_seed(2))
    return lambda: comfy.sample.sample_custom(
        model, noise, 5.0, euler, sigmas, *conditions, torch.zeros_like(noise), disable_pbar=True
    )


def make_column(place: int, number: int):
    import torch

    mask = torch.zeros(1, *(8 * side for side in LATENT))
    width = mask.shape[-1] // number
    mask[..., place * width : (place + 1) * width] = 1
    return mask


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python benchmarks/people.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--most", type=int, default=4, help="people in one picture (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of alternation (default 3)")
    parser.add_argument("--comfyui", default=find_host())
    return parser.parse_args()


if __name__ == "__main__":
    main()
