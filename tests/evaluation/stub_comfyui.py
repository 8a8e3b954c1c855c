"""The part of ComfyUI's HTTP interface that an evaluation needs; each picture says what was asked for."""

import io
import json
import threading
import urllib.parse
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image

GRAPH = {
    "1": {"class_type": "LoadImage", "inputs": {"image": ""}, "_meta": {"title": "photo"}},
    "2": {"class_type": "TextNode", "inputs": {"text": "", "clip": ["9", 0]}, "_meta": {"title": "Prompt"}},
    "3": {"class_type": "TextNode", "inputs": {"text": "ugly"}, "_meta": {"title": "negative"}},
    "4": {"class_type": "Sampler", "inputs": {"seed": 0, "noise": 1}, "_meta": {"title": "seed"}},
    "5": {"class_type": "SaveImage", "inputs": {"images": ["4", 0]}, "_meta": {"title": "output"}},
}


class Stub:
    """uploads: {name: bytes}; graphs: what was queued; fault(graph): None, or {"refuse": ...}, {"entry": ...}.

    cleared: the queue is empty. took_ms: of each picture, by the server's clock. status: of all answers. stop(): as if
    the process were killed.
    """

    def __init__(self):
        self.uploads: dict[str, bytes] = {}
        self.graphs: list[dict] = []
        self.deleted: list[str] = []
        self.freed = self.cleared = False
        self.fault = lambda graph: None
        self.address, self.version = "", "0.3.64"
        self.took_ms, self.status = 250, 200
        self.stop = lambda: None

    def finish(self, number: int) -> dict:
        """The history of a run, after two seconds in the queue."""
        fault = self.fault(self.graphs[number]) or {}
        if "entry" in fault:
            return fault["entry"]
        start = {"timestamp": 1_700_000_002_000}
        messages = [["execution_start", start], ["execution_cached", {"nodes": fault.get("cached", ["1"])}]]
        messages.append(["execution_success", {"timestamp": start["timestamp"] + self.took_ms}])
        image = {"filename": f"{number}.png", "subfolder": "a b", "type": "temp"}
        return {"status": {"messages": messages}, "outputs": {"5": {"images": [image]}}}

    def draw(self, number: int) -> Image.Image:
        """The uploaded photo, in whose first pixel the seed is the red."""
        graph = self.graphs[number]
        photo = Image.open(io.BytesIO(self.uploads[graph["1"]["inputs"]["image"]])).convert("RGB")
        photo.putpixel((0, 0), (graph["4"]["inputs"]["seed"], 0, 0))
        return photo


@contextmanager
def running_stub():
    stub = Stub()
    handler = type("Handler", (_Handler,), {"stub": stub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        stub.stop = lambda: [server.shutdown(), server.server_close()].clear()
        stub.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield stub
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    stub: Stub

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/upload/image":
            return self._upload(body)
        sent = json.loads(body)
        if self.path == "/free":
            self.stub.freed = sent == {"free_memory": True, "unload_models": False}
            return self._send(b"")
        if self.path == "/queue":
            self.stub.deleted += sent["delete"]
            return self._send(b"")
        refusal = (self.stub.fault(sent["prompt"]) or {}).get("refuse")
        if refusal:
            return self._send(json.dumps(refusal).encode(), 400)
        self.stub.graphs.append(sent["prompt"])
        return self._send(json.dumps({"prompt_id": str(len(self.stub.graphs) - 1), "node_errors": {}}).encode())

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        if url.path.startswith("/history/"):
            id = url.path.rpartition("/")[2]
            entry = self.stub.finish(int(id))
            return self._send(json.dumps({id: entry} if entry else {}).encode())
        if url.path == "/queue":
            running = [] if self.stub.cleared else [[0, str(len(self.stub.graphs) - 1), {}]]
            return self._send(json.dumps({"queue_running": running, "queue_pending": []}).encode())
        if url.path == "/system_stats":
            return self._send(json.dumps({"system": {"comfyui_version": self.stub.version}}).encode())
        asked = urllib.parse.parse_qs(url.query)
        if url.path != "/view" or asked["subfolder"] != ["a b"] or asked["type"] != ["temp"]:
            return self._send(b"not here", 404)
        data = io.BytesIO()
        self.stub.draw(int(asked["filename"][0].removesuffix(".png"))).save(data, format="PNG")
        return self._send(data.getvalue())

    def _upload(self, body: bytes) -> None:
        from email import message_from_bytes, policy

        kind = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        parts = {
            part.get_param("name", header="content-disposition"): part
            for part in message_from_bytes(kind + body, policy=policy.HTTP).iter_parts()
        }
        folder = parts["subfolder"].get_payload(decode=True).decode()
        name = parts["image"].get_filename()
        self.stub.uploads[f"{folder}/{name}"] = parts["image"].get_payload(decode=True)
        self._send(json.dumps({"name": name, "subfolder": folder, "type": "input"}).encode())

    def _send(self, body: bytes, code: int = 200) -> None:
        self.send_response(code if self.stub.status == 200 else self.stub.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
