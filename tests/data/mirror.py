"""A mirror on the loopback interface that can break off, ignore ranges, lie or be dead."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Mirror:
    """Serves `files` (name -> bytes) at `url`.

    ranges: whether a Range header is honoured; breaks: for how many requests the body ends after `after` bytes, though
    Content-Length (sent unless `length` is False) announces all. `requests` logs (path, range).
    """

    def __init__(self, files, ranges=True, breaks=0, after=0, length=True):
        self.files, self.ranges, self.breaks, self.after, self.length = files, ranges, breaks, after, length
        self.requests = []

    def answer(self, handler):
        asked = handler.headers.get("Range")
        self.requests.append((handler.path, asked))
        body = self.files.get(handler.path.lstrip("/"))
        if body is None:
            handler.send_error(404)
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.ranges else 0
        if start and start >= len(body):
            handler.send_error(416)
            return
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if self.length:
            handler.send_header("Content-Length", str(len(body) - start))
        handler.end_headers()
        if self.breaks > 0:
            self.breaks -= 1
            body = body[: start + self.after]
        handler.wfile.write(body[start:])

    def __enter__(self):
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                mirror.answer(self)

            def log_message(self, format, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
