"""A web server of files for download tests, with the faults that servers and networks have."""

import hashlib
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """One file. faults: what the next GET requests meet, in order; after them all goes well."""

    content: bytes
    etag: str = '"v1"'
    faults: list = field(default_factory=list)
    head: dict = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class Files(dict):
    """{path: Served}; `asked` lists the GET requests as (path, Range header)."""

    def __init__(self):
        super().__init__()
        self.asked: list[tuple[str, str | None]] = []
        self.url = ""

    def ranges(self, path: str) -> list[str | None]:
        return [sent for asked, sent in self.asked if asked == path]


def answer(code: int, body: bytes = b"", **headers):
    """A fault: this status, with this body."""

    def reply(handler, served):
        handler.send(code, body, {name.replace("_", "-"): value for name, value in headers.items()})

    return reply


def cut(size: int):
    """A fault: the connection ends after so many bytes of the body."""

    def reply(handler, served):
        body, code, headers = handler.choose_part(served)
        handler.send(code, body[:size], headers, length=len(body))
        handler.close_connection = True

    return reply


def ignore_range(handler, served):
    handler.send(200, served.content, {"ETag": served.etag})


def corrupt(handler, served):
    handler.send(200, bytes(len(served.content)), {"ETag": served.etag})


@contextmanager
def serve():
    """Files on a local server: set `files["/name"] = Served(...)`, ask for files.url + "/name"."""
    files = Files()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"files": files}))
    server.daemon_threads = True
    files.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield files
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    files: Files
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        served = self.files.get(self.path)
        if served is None:
            self.send(404, b"", {})
        else:
            headers = {"ETag": served.etag, **served.head}
            self.send(200, b"", headers, length=len(served.content))

    def do_GET(self):
        self.files.asked.append((self.path, self.headers.get("Range")))
        served = self.files.get(self.path)
        if served is None:
            self.send(404, b"no such file", {})
        elif served.faults:
            served.faults.pop(0)(self, served)
        else:
            body, code, headers = self.choose_part(served)
            self.send(code, body, headers)

    def choose_part(self, served):
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        size = len(served.content)
        if not asked or condition not in (None, served.etag):
            return served.content, 200, {"ETag": served.etag}
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= size:
            return b"", 416, {"Content-Range": f"bytes */{size}"}
        return served.content[start:], 206, {"ETag": served.etag, "Content-Range": f"bytes {start}-{size - 1}/{size}"}

    def send(self, code, body, headers, length=None):
        self.send_response(code)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(body)), **headers}
        if length is not None:
            headers["Content-Length"] = str(length)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            try:
                self.wfile.write(body)
            except ConnectionError:
                self.close_connection = True

    def log_message(self, *_):
        pass
