"""A running ComfyUI as an engine, over HTTP, with any workflow."""

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PIL import Image

from ..fingerprint import hash_path
from ..packages import needed
from .engine import Drawing, DrawingError, Engine, EngineError
from .workflow import Workflow

if TYPE_CHECKING:
    from requests import Response

Answer = TypeVar("Answer")

ANSWER_S = 60
FREE_S = 1
"""What a server takes to empty its cache, which it does between two runs."""

FOLDER = "consistentid_evaluation"


class ComfyUI(Engine):
    """address: http://HOST:PORT. timeout_s: how long one picture may take. poll_s: between two looks at the server."""

    def __init__(self, address: str, workflow: Workflow, timeout_s: float = 1800, poll_s: float = 0.5):
        with needed("requests", "Asking a ComfyUI server"):
            import requests
        self._session, self._broken = requests.Session(), requests.RequestException
        self.address, self.workflow = address.rstrip("/"), workflow
        self.timeout_s, self.poll_s = timeout_s, poll_s
        self._uploads: dict[Path, str] = {}

    def describe(self) -> dict:
        """The workflow with its models' names, and ComfyUI's version; hashes and packs a server does not tell."""
        system = self._ask("get", "/system_stats").get("system", {})
        return {
            "engine": "comfyui",
            "version": system.get("comfyui_version", "unknown"),
            "workflow": self.workflow.describe(),
        }

    def draw(self, photo: Path, prompt: str, seed: int) -> Drawing:
        """The first picture of the output node; of its time, waiting in the queue is left out."""
        graph = self.workflow.fill(self._upload(photo), prompt, seed)
        entry, images = self._run(graph)
        if not images and self._is_cached(entry):  # newer servers do not name a picture that they drew before
            self._fetch("post", "/free", json={"free_memory": True, "unload_models": False})
            time.sleep(FREE_S)
            entry, images = self._run(graph)
        if not images:
            name = self.workflow.name_node(self.workflow.output)
            raise DrawingError(f"The output node {name} gave no picture. Name another with --output-node.")
        place = {key: images[0].get(key, "") for key in ("filename", "subfolder", "type")}
        content = self._fetch("get", "/view", params=place)
        return Drawing(Image.open(io.BytesIO(content)).convert("RGB"), self._read_seconds(entry))

    def _run(self, graph: dict) -> tuple[dict, list]:
        """The history of a run, and the pictures of the output node."""
        answer = self._ask("post", "/prompt", json={"prompt": graph})
        if answer.get("node_errors") or "prompt_id" not in answer:  # it queues what it can of a faulty graph
            raise EngineError("ComfyUI refused the workflow:\n" + self._describe_refusal(answer))
        entry = self._wait(answer["prompt_id"])
        return entry, entry.get("outputs", {}).get(self.workflow.output, {}).get("images") or []

    def _upload(self, photo: Path) -> str:
        """The photo's name for LoadImage; its content is in the name, so that another cannot take its place."""
        if photo not in self._uploads:
            name = f"{hash_path(photo)[:16]}{photo.suffix.lower()}"
            files = {"image": (name, photo.read_bytes())}
            data = {"subfolder": FOLDER, "type": "input", "overwrite": "true"}
            answer = self._ask("post", "/upload/image", files=files, data=data)
            self._uploads[photo] = "/".join(part for part in (answer.get("subfolder"), answer["name"]) if part)
        return self._uploads[photo]

    def _wait(self, prompt_id: str) -> dict:
        """What the server's history holds of a run that has ended well."""
        end = time.monotonic() + self.timeout_s
        while time.monotonic() < end:
            is_queued = self._is_queued(prompt_id)  # asked first: what leaves the queue is in the history at once
            entry = self._ask("get", f"/history/{prompt_id}").get(prompt_id)
            if entry:
                self._check(entry)
                return entry
            if not is_queued:
                raise EngineError("The run is gone from ComfyUI: its queue was cleared, or it was started anew.")
            time.sleep(self.poll_s)
        self._fetch("post", "/queue", json={"delete": [prompt_id]})
        raise EngineError(f"No picture after {self.timeout_s:g} seconds. Allow more with --timeout.")

    def _is_queued(self, prompt_id: str) -> bool:
        queue = self._ask("get", "/queue")
        return any(item[1] == prompt_id for part in ("queue_running", "queue_pending") for item in queue.get(part, ()))

    def _check(self, entry: dict) -> None:
        messages = _read_messages(entry)
        if failure := messages.get("execution_error"):
            node = self.workflow.name_node(failure.get("node_id"))
            raise DrawingError(f"{node} failed: {str(failure.get('exception_message', '')).strip()}")
        if "execution_interrupted" in messages:
            raise EngineError("The run was interrupted in ComfyUI.")

    def _read_seconds(self, entry: dict) -> float | None:
        """By the server's clock; None when the picture came out of its cache, or the clock was set back meanwhile."""
        if self._is_cached(entry):
            return None
        messages = _read_messages(entry)
        try:
            passed = messages["execution_success"]["timestamp"] - messages["execution_start"]["timestamp"]
        except (KeyError, TypeError):
            return None
        return passed / 1000 if passed >= 0 else None

    def _is_cached(self, entry: dict) -> bool:
        return self.workflow.output in _read_messages(entry).get("execution_cached", {}).get("nodes", ())

    def _ask(self, method: str, path: str, **more) -> dict:
        return self._request(method, path, lambda response: response.json(), **more)

    def _fetch(self, method: str, path: str, **more) -> bytes:
        return self._request(method, path, lambda response: response.content, **more)

    def _request(self, method: str, path: str, read: Callable[["Response"], Answer], **more) -> Answer:
        url = f"{self.address}{path}"
        try:
            response = self._session.request(method, url, timeout=ANSWER_S, **more)
            if response.status_code in (401, 403):
                raise EngineError(
                    f"{url} does not let this user in ({response.status_code} {response.reason}). Name the user in the "
                    "address, as in http://NAME:PASSWORD@HOST:PORT."
                )
            refused = path == "/prompt" and response.status_code == 400
            if not refused:
                response.raise_for_status()
            return read(response)
        except EngineError:
            raise
        except (self._broken, ValueError) as error:
            raise EngineError(f"{url} gave no answer ({error}). Is this a running ComfyUI?") from error

    def _describe_refusal(self, answer: dict) -> str:
        lines = [f"  {_join(answer['error'])}"] if answer.get("error") else []
        for id, problem in (answer.get("node_errors") or {}).items():
            lines += [f"  {self.workflow.name_node(id)}: {_join(error)}" for error in problem.get("errors", ())]
        return "\n".join(lines)


def _read_messages(entry: dict) -> dict:
    return dict(entry.get("status", {}).get("messages", []))


def _join(error) -> str:
    if isinstance(error, str):
        return error
    return ": ".join(part for part in (error.get("message"), error.get("details")) if part)
