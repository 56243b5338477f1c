"""Monster UI, installed in a directory, on an origin of its own."""

import functools
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

# Its configuration, as an operator writes it.
_CONFIG = """define({{
    api: {{'default': '{url}/v2/'}},
    whitelabel: {{companyName: 'Example', applicationTitle: 'Portal'}},
    developerFlags: {{showJsErrors: true}}
}});"""
# A page with nothing but the SDK and what it needs.
_SDK_PAGE = """<!DOCTYPE html><title>SDK</title>
<script src="js/vendor/jquery-1.9.1.min.js"></script>
<script src="js/vendor/lodash-4.17.4.js"></script>
<script src="js/lib/jquery.kazoosdk.js"></script>"""


@contextmanager
def monster_portal(directory: str, api_url: Callable[[], str]) -> Generator[str]:
    """Origin of a portal that is served while the block runs.

    Args:
        directory: directory with ``index.html``, ``js`` and ``apps``.
        api_url: the URL of the API, known when the first page is opened.
    """

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            made = {"/js/config.js": ("text/javascript", _CONFIG), "/sdk.html": ("text/html", _SDK_PAGE)}
            path = self.path.partition("?")[0]
            if path not in made:
                super().do_GET()
                return
            kind, text = made[path]
            body = (text.format(url=api_url()) if kind == "text/javascript" else text).encode()
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=directory))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()
