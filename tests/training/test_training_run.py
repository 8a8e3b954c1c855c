"""Whole runs of a tiny model: what they leave, going on after a stop, several processes, and learning."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import fsspec
import pytest
import torch
from golden_data import difference
from PIL import Image
from tiny_training import tiny_networks, write_config

import consistentid.training.loop as loop
import consistentid.training.sheets as sheets
from consistentid.adapter.checkpoint import load_adapter
from consistentid.dataset.pack import pack_records
from consistentid.dataset.records import read_records
from consistentid.errors import CheckpointError
from consistentid.headless.unet import install_adapter
from consistentid.storage import Storage
from consistentid.training.assembly import assemble_run
from consistentid.training.checkpoints import list_checkpoints, load_checkpoint
from consistentid.training.config import ConfigError
from consistentid.training.log_file import read_log
from consistentid.training.model import name_tensors
from consistentid.weights import read_metadata, read_weights

HERE = Path(__file__).resolve().parent


def read_steps(output) -> list[dict]:
    return read_log(Path(output) / "log.jsonl")


def test_a_run_that_was_stopped_ends_like_an_unbroken_one(tiny, make_config, tmp_path, stop_after, capsys):
    """Bit for bit: weights, their average, the optimiser's memory and the log. Then its files are used."""
    whole, broken = (
        make_config(ema=0.9, gradient_clip=1.0, warmup=3, batch=2, micro_batch=1, keep=1, output=str(tmp_path / name))
        for name in ("whole", "broken")
    )
    loop.train(whole)
    stop_after(3, broken)
    assert [path.name for path in list_checkpoints(broken)] == ["00000002"] and len(read_steps(broken.output)) == 3
    capsys.readouterr()
    path = loop.train(broken)
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"Going on after step 2 of 4, from the checkpoint in {broken.output}."
    assert told[1].startswith("3 of 4: ") and re.search(r" s a step, \d+ s left$", told[1])
    assert told[2].startswith("4 of 4: ") and told[2].endswith(" s a step")
    for name in ("adapter.safetensors", "adapter_ema.safetensors", "checkpoints/00000004/adapter.safetensors"):
        first, second = (read_weights(Path(config.output) / name) for config in (whole, broken))
        assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
    states = [load_checkpoint(config)[2]["optimizer"]["state"] for config in (whole, broken)]
    for number, state in states[0].items():
        assert all(torch.equal(value, states[1][number][key]) for key, value in state.items())
    assert read_steps(whole.output) == read_steps(broken.output) and len(read_steps(whole.output)) == 4
    assert [line["learning_rate"] for line in read_steps(whole.output)] == pytest.approx(
        [3.3e-4, 6.7e-4, 1e-3, 1e-3], rel=0.02
    )
    assert [path.name for path in list_checkpoints(broken)] == ["00000004"], "keep is 1"
    check_results(whole, path)
    capsys.readouterr()
    loop.train(broken)
    (told,) = capsys.readouterr().out.splitlines()
    assert told == f"{broken.output} holds all 4 steps already; its weights are written again."
    shutil.rmtree(Path(broken.output) / "checkpoints")
    before = read_weights(path)
    after = read_weights(loop.train(replace(broken, seed=1)))
    assert any(not torch.equal(before[name], after[name]) for name in before), (
        "begun anew, it takes the old one's place"
    )


def test_shards_train_as_their_folder(tiny, make_config, dataset, tmp_path, stop_after):
    """The same loss in every step and the same weights, from storage and with other worker processes, and also where
    the run was stopped inside an epoch."""
    packed, addressed = Storage(str(tmp_path / "packed")), Storage("memory://bucket/packed")
    for storage in (packed, addressed):
        pack_records(read_records(dataset), storage, 2)
    settings = {"batch": 2, "micro_batch": 1, "save_every": 1}  # 3 records: step 2 ends inside the second epoch
    folder = make_config(**settings)
    sources = {"packed": (packed.place, 2), "addressed": (addressed.place, 0)}
    shards = [
        make_config(**settings, dataset=place, workers=workers, output=str(tmp_path / name))
        for name, (place, workers) in sources.items()
    ]
    expected = read_weights(loop.train(folder))
    stop_after(2, shards[1])
    for config in shards:
        found = read_weights(loop.train(config))
        assert read_steps(config.output) == read_steps(folder.output) and len(read_steps(folder.output)) == 4
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    fsspec.filesystem("memory").store.clear()


def check_results(config, path) -> None:
    """The adapter is in the published layout, of the weights that were trained, and it acts in a UNet."""
    adapter = load_adapter(path)
    assert (adapter.config.name, read_metadata(path)["steps"]) == ("sd15", "4")
    run = assemble_run(config)
    assert run.step == 4
    for name, tensor in name_tensors(adapter).items():
        assert tensor.dtype == torch.float16 and torch.equal(tensor, run.trained[name].half())
    average = read_weights(path.with_name("adapter_ema.safetensors"))
    assert average.keys() == run.trained.keys()
    assert any(not torch.equal(average[name], run.trained[name].half()) for name in average)
    with torch.no_grad():
        latents, text = torch.randn(1, 4, 16, 16), torch.randn(1, 77, 64)
        tokens = {"id_tokens": torch.randn(1, 4, 64)}
        trained = run.model.unet(latents, 501, text, cross_attention_kwargs=tokens).sample
        run.model.installed.remove()
        plain = run.model.unet(latents, 501, text).sample
        install_adapter(run.model.unet, adapter)
        loaded = run.model.unet(latents, 501, text, cross_attention_kwargs=tokens).sample
    assert difference(trained, plain) > 1e-3 and difference(trained, loaded) < 1e-3


def test_only_what_is_meant_changes(tiny, make_config):
    run = assemble_run(make_config(weight_decay=0.0, drop_probability=0.0))
    everything = {name: run.model.state_dict() for name in ["model"]}["model"]
    parts = {"vae": run.frozen.vae, "vision": run.frozen.clip_vision, "text": run.frozen.clip.encoders[0]}
    everything |= {
        f"{part}.{key}": value for part, module in parts.items() for key, value in module.state_dict().items()
    }
    before = {name: tensor.clone() for name, tensor in everything.items()}
    trained = {parameter.data_ptr() for parameter in run.trained.values()}
    batches = iter([[run.samples[0], run.samples[1]], [run.samples[2], run.samples[3]]] * 2)
    for _ in range(2):  # low-rank `down` moves once `up` has
        loop.take_step(run, [next(batches), next(batches)])
    for name, tensor in everything.items():
        assert torch.equal(tensor, before[name]) == (tensor.data_ptr() not in trained), name


def test_two_people_are_learnt_by_heart(tiny, make_config):
    """The same noisy pictures again and again: the noise is predicted better and better, attention moves inside."""
    run = assemble_run(make_config(rank=16, learning_rate=5e-3, drop_probability=0.0, localisation_weight=0.1))
    inputs = run.frozen.encode([run.samples[0], run.samples[1]]).as_arguments()
    losses = []
    for _ in range(16):
        losses.append(run.model(**inputs))
        losses[-1]["loss"].backward()
        run.optimizer.step()
        run.optimizer.zero_grad()
    first, last = ({name: float(value.detach()) for name, value in losses[n].items()} for n in (0, -1))
    assert last["noise"] < 0.5 * first["noise"]
    assert last["localisation"] < first["localisation"] - 0.1 and last["mass"] > 1.3 * first["mass"]


def launch_nodes(configs) -> list[subprocess.Popen]:
    """`accelerate launch` on two machines, which are this one, with a process each; gloo on the CPU."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", 2]
    launch += ["--num_processes", 2, "--main_process_ip", "127.0.0.1", "--main_process_port", port]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--machine_rank"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    commands = ([*launch, rank, HERE / "tiny_training.py", config] for rank, config in enumerate(configs))
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": environment}
    return [subprocess.Popen(list(map(str, command)), **options) for command in commands]


@pytest.mark.slow
def test_two_machines_equal_one(tiny, make_config, tmp_path):
    """Also where one machine goes on with the checkpoint of two; machines that found other checkpoints are refused."""
    one, two = (make_config(steps=2, batch=2, micro_batch=1, output=str(tmp_path / name)) for name in ("one", "two"))
    loop.train(one)
    for node in launch_nodes([write_config(tmp_path / "train.yaml", two)] * 2):
        said, _ = node.communicate(timeout=300)
        assert node.returncode == 0, said[-3000:]
    start = name_tensors(assemble_run(make_config()).model.adapter)
    compare_runs(one, two, "00000002", start)
    for config in (one, two):
        loop.train(replace(config, steps=3))
    compare_runs(one, two, "00000003", start)
    apart = [replace(one, steps=4), replace(one, steps=4, output=str(tmp_path / "elsewhere"))]
    configs = [write_config(tmp_path / f"{number}.yaml", config) for number, config in enumerate(apart)]
    for node in launch_nodes(configs):
        said, _ = node.communicate(timeout=300)
        assert node.returncode and "process 0 after step 3 with 3; process 1 after step 0 with 3" in said, said[-3000:]


@pytest.mark.slow
def test_shared_memory_trains_as_whole(tiny, make_config, tmp_path):
    """Two processes, each with half of the frozen UNet and of the optimiser, train what they do with all, but for
    rounding; they go on with their checkpoint, and so does one."""
    how = {"batch": 2, "micro_batch": 1, "ema": 0.9, "gradient_checkpointing": True, "save_every": 1, "keep": 9}
    whole, shared = (make_config(**how, steps=3, output=str(tmp_path / name)) for name in ("whole", "shared"))
    shared = replace(shared, share_out=True, sheet_every=2, sheet_steps=1, sheet_people=1)
    for config in (whole, replace(shared, steps=2), shared):
        for node in launch_nodes([write_config(tmp_path / "train.yaml", config)] * 2):
            said, _ = node.communicate(timeout=300)
            assert node.returncode == 0 and ("frozen weights kept: 0.50" in said) == config.share_out, said[-3000:]
    assert (tmp_path / "shared/sheets/00000002.png").is_file()
    start = name_tensors(assemble_run(make_config(output=str(tmp_path / "new"))).model.adapter)
    for step in ("00000002", "00000003"):
        compare_runs(whole, shared, step, start)
    for config in (whole, shared):
        loop.train(replace(config, steps=4, sheet_every=0))
    compare_runs(whole, shared, "00000004", start)


def compare_runs(one, two, step: str, start) -> None:
    """Weights, what the optimiser keeps, and losses, but for rounding."""
    first, second = (
        read_weights(Path(config.output) / f"checkpoints/{step}/adapter.safetensors") for config in (one, two)
    )
    moved = torch.cat([(first[name] - tensor).flatten() for name, tensor in start.items()])
    apart = torch.cat([(first[name] - second[name]).flatten() for name in start])
    assert moved.abs().max() > 1e-3
    # AdamW turns rounding errors of the smallest gradients into steps.
    assert apart.norm() < 1e-3 * moved.norm()
    gradients, others = (load_checkpoint(replace(config, steps=9))[2]["optimizer"]["state"] for config in (one, two))
    for number, state in gradients.items():
        # 1.3e-4 was measured on a CPU without AVX-512.
        assert difference(state["exp_avg"], others[number]["exp_avg"]) < 3e-4 * state["exp_avg"].abs().max() + 1e-9
    for line, other in zip(read_steps(one.output), read_steps(two.output), strict=True):
        assert line == pytest.approx(other, rel=1e-3, abs=1e-4)


def test_what_shares_weights_out_is_refused(make_config, monkeypatch):
    monkeypatch.setattr("accelerate.Accelerator.distributed_type", "FSDP")
    with pytest.raises(ConfigError, match=r"set up for FSDP.*--multi_gpu"):
        assemble_run(make_config())


def test_sdxl_in_mixed_precision(sdxl_folder, make_config):
    with tiny_networks("sdxl"):
        how = {"precision": "bf16", "gradient_checkpointing": True}
        config = make_config(base="sdxl", checkpoint=str(sdxl_folder), steps=1, batch=2, **how)
        path = loop.train(config)
        assert load_adapter(path).config.name == "sdxl"
    weights = read_weights(path)
    assert {name.split(".")[0] for name in weights} == {"FacialEncoder", "image_proj_model", "adapter_modules"}
    (line,) = read_steps(config.output)
    assert 0.01 < line["noise"] < 100 and 0 < line["mass"] < 1
    assert read_weights(list_checkpoints(config)[0] / "adapter.safetensors")[
        "adapter_modules.0.to_q_lora.up.weight"
    ].any()


def test_sheets_show_people_and_leave_the_run_as_it_is(tiny, make_config, tmp_path):
    usual = {"steps": 2, "batch": 2, "precision": "bf16"}
    plain = loop.train(make_config(output=str(tmp_path / "plain"), **usual))
    drawn = {"sheet_every": 1, "sheet_steps": 2, "sheet_people": 1}
    shown = make_config(output=str(tmp_path / "shown"), **drawn, **usual)
    path = loop.train(shown)
    first, second = read_weights(plain), read_weights(path)
    assert all(torch.equal(first[name], second[name]) for name in first)
    files = sorted((path.parent / "sheets").iterdir())
    assert [file.name for file in files] == ["00000001.png", "00000002.png"]
    pictures = [Image.open(file).convert("RGB") for file in files]
    assert pictures[0].size == (3 * 264 + 8, 290 + 8) and pictures[0].tobytes() != pictures[1].tobytes()
    heat = pictures[0].crop((2 * 264 + 8, 8, 3 * 264, 264)).convert("HSV").getchannel("S")
    assert heat.getextrema()[1] > 100  # the picture under it is grey


@pytest.mark.parametrize("maker", ["SheetMaker", "WordSheetMaker"])
def test_a_sheet_shows_nobody_twice_while_there_are_others(maker, tmp_path, monkeypatch):
    names = ("ada/1", "ada/2", "ben/1", "eve/1")
    records = [SimpleNamespace(name=name, locate=lambda part, name=name: str(tmp_path / name)) for name in names]
    read = SimpleNamespace(records=records, read=lambda number, ordinal: records[number])
    pipeline = SimpleNamespace(set_progress_bar_config=lambda disable: None)
    run = SimpleNamespace(samples=read, config=SimpleNamespace(sheet_people=2), model=None, pipeline=pipeline)
    monkeypatch.setattr(sheets, "set_scheduler", lambda *_: None)
    monkeypatch.setattr(sheets.SheetMaker, "_encode_person", lambda maker, record: record)
    assert [record.name for record in getattr(sheets, maker)(run).people] == ["ada/1", "ben/1"]


def test_weights_that_are_no_numbers_end_the_run_before_they_are_saved(tiny, make_config, monkeypatch):
    def spoil(run, batches, take_step=loop.take_step):
        losses = take_step(run, batches)
        if run.step == 3:
            next(iter(run.trained.values())).data[..., 0] = float("nan")
        return losses

    config = make_config(steps=6, batch=2, save_every=1, log_every=5, keep=1)
    with (
        monkeypatch.context() as patches,
        pytest.raises(loop.TrainingError, match=r"step 3 .* no numbers in 1 trained tensor, the first .*latents"),
    ):
        patches.setattr(loop, "take_step", spoil)
        loop.train(config)
    assert [path.name for path in list_checkpoints(config)] == ["00000002"]
    assert all(tensor.isfinite().all() for tensor in load_checkpoint(config)[1].values())


def test_a_full_disk_leaves_the_checkpoint_before(tiny, make_config, monkeypatch):
    config = make_config(steps=1, batch=2)
    path = loop.train(config)

    def fill(state, file, save=torch.save, **more):
        if not isinstance(file, Path):
            return save(state, file, **more)
        file.write_bytes(b"half")
        raise RuntimeError("PytorchStreamWriter failed writing file")

    with monkeypatch.context() as patches, pytest.raises(CheckpointError, match="00000002 could not be written"):
        patches.setattr(torch, "save", fill)
        loop.train(replace(config, steps=2))
    assert [path.name for path in path.with_name("checkpoints").iterdir()] == ["00000001"]
    path.unlink()
    assert loop.train(config) == path and read_metadata(path)["steps"] == "1", "stopped before the adapter was written"
    assert loop.train(replace(config, steps=2)) == path and read_metadata(path)["steps"] == "2"
    with pytest.raises(ConfigError, match="a run of 2 steps already; steps is 1"):
        loop.train(config)


def test_going_on_with_other_settings_is_refused(tiny, make_config):
    config = make_config(steps=1, batch=2)
    loop.train(config)
    with pytest.raises(ConfigError, match=r"other settings: rank was 4, batch was 2\."):
        loop.train(make_config(steps=2, rank=8))
    record = json.loads((list_checkpoints(config)[0] / "run.json").read_text())
    assert record["step"] == 1 and record["config"]["batch"] == 2
    (list_checkpoints(config)[0] / "optimizer.pt").write_bytes(b"PK")
    with pytest.raises(CheckpointError, match="00000001 cannot be read"):
        loop.train(make_config(steps=2, batch=2))


def test_an_adapter_file_is_trained_on(tiny, make_config, tmp_path):
    first = loop.train(make_config(steps=1, batch=2, rank=8))
    config = make_config(output=str(tmp_path / "more"), adapter=str(first))
    run = assemble_run(config)
    saved = read_weights(first)
    assert all(torch.equal(parameter.half(), saved[name]) for name, parameter in run.trained.items())
    assert {parameter.dtype for parameter in run.trained.values()} == {torch.float32}
