"""Queue one graph on a ComfyUI server, follow its progress, collect its pictures."""

import asyncio
import json
import sys
import time
import uuid

import aiohttp

from consistentid.terminal import tell_duration

from .failure import Failure

BAR = 24


def run_graph(address, graph, title="Workflow"):
    """Run an API-format graph; returns {node id: output} as ComfyUI's history holds it: "images", "text", ...

    title: what this makes, for people.
    Raises Failure with the server's own messages when it refuses the graph or a node fails.
    """
    try:
        return asyncio.run(_run_graph(address, graph, title))
    except aiohttp.ClientError as error:
        raise Failure(f"The connection to ComfyUI broke: {error}") from error


def node_title(graph, node_id):
    node = graph.get(node_id, {})
    return node.get("_meta", {}).get("title") or node.get("class_type", f"node {node_id}")


async def _run_graph(address, graph, title):
    client = uuid.uuid4().hex
    async with (
        aiohttp.ClientSession(address) as session,
        session.ws_connect(f"/ws?clientId={client}", max_msg_size=0) as socket,
    ):
        async with session.post("/prompt", json={"prompt": graph, "client_id": client}) as response:
            answer = await response.json()
        if answer.get("node_errors") or "prompt_id" not in answer:  # it queues what it can of a faulty graph
            raise Failure("ComfyUI refused the workflow:\n" + _describe_refusal(graph, answer))
        began = time.monotonic()
        await _follow(socket, graph, answer["prompt_id"], title)
        _draw(f"{title}: drawn in {time.monotonic() - began:.0f} s", end="\n")
        return await _fetch_outputs(session, answer["prompt_id"])


async def _fetch_outputs(session, prompt_id):
    """The run's outputs; ComfyUI writes its history a moment after it reports success."""
    while True:
        async with session.get(f"/history/{prompt_id}") as response:
            history = await response.json()
        if prompt_id in history:
            return history[prompt_id]["outputs"]
        await asyncio.sleep(0.05)


async def _follow(socket, graph, prompt_id, title):
    """Draw the progress line until the run ends."""
    began = time.monotonic()
    async for message in socket:
        if message.type != aiohttp.WSMsgType.TEXT:
            continue
        event = json.loads(message.data)
        kind, data = event["type"], event["data"]
        if data.get("prompt_id") != prompt_id:
            continue
        if kind == "execution_error":
            raise Failure(
                f"{node_title(graph, data['node_id'])} failed:\n  {data['exception_message'].strip()}\n"
                f"  ({data['node_type']}, node {data['node_id']})"
            )
        if kind == "execution_interrupted":
            raise Failure("The run was interrupted.")
        if kind == "execution_success" or (kind == "executing" and data["node"] is None):
            return
        if kind == "executing":
            began = time.monotonic()
            _draw(f"{title}: {node_title(graph, data['node'])}")
        if kind == "progress":
            _draw(f"{title}: {node_title(graph, data['node'])}  {_draw_bar(**data, seconds=time.monotonic() - began)}")
    raise Failure("ComfyUI closed the connection in the middle of the run.")


def _draw_bar(value, max, seconds, **_):
    done = BAR * value // max
    left = f", {tell_duration(seconds * (max - value) / value)} left" if 0 < value < max else ""
    return f"[{'#' * done}{'.' * (BAR - done)}] {value}/{max}{left}"


def _draw(text, end=""):
    """One line that is written over in a terminal; elsewhere only its last state."""
    if sys.stdout.isatty():
        print(f"\r\033[K{text}", end=end, flush=True)
    elif end:
        print(text, flush=True)


def _describe_refusal(graph, answer):
    lines = [f"  {_join_message(answer['error'])}"] if answer.get("error") else []
    for node_id, problem in (answer.get("node_errors") or {}).items():
        lines += [f"  {node_title(graph, node_id)}: {_join_message(error)}" for error in problem["errors"]]
    return "\n".join(lines)


def _join_message(error):
    if isinstance(error, str):
        return error
    return ": ".join(part for part in (error.get("message"), error.get("details")) if part)
