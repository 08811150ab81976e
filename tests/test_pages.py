"""The built pages in a real browser: no sideways scrolling on a phone, and no request that leaves the book."""

import json
import re
import shutil
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from sercore.paths import PROJECT

HTML = PROJECT / "runs/open/book/_build/html"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
TOC = yaml.safe_load((PROJECT / "_toc.yml").read_text(encoding="utf-8"))
PAGES = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]
PHONE = """<title>waiting</title>
<iframe width=390 height=844 src="/%s.html" onload="report(this.contentWindow)"></iframe>
<script>
function report(page) {
  const wide = page.document.documentElement.scrollWidth;
  const requests = page.performance.getEntriesByType("resource").map(entry => entry.name);
  const bad = image => image.complete && !image.naturalWidth;
  const broken = [...page.document.images].filter(bad).map(image => image.src);
  document.title = JSON.stringify({wide, requests, broken, text: page.document.body.innerText.length});
}
</script>"""

pytestmark = pytest.mark.skipif(not HTML.is_dir(), reason="needs the book: make book")
needs_browser = pytest.mark.skipif(not CHROMIUM, reason="needs a Chromium browser, such as Debian's package chromium")


class Pages(SimpleHTTPRequestHandler):
    """The book, and under /phone/<page> that page in a frame as wide as a phone."""

    def do_GET(self):
        if not self.path.startswith("/phone/"):
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write((PHONE % self.path.removeprefix("/phone/")).encode())

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: Pages(*args, directory=HTML))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@needs_browser
@pytest.mark.parametrize("page", PAGES)
def test_page_fits_a_phone_and_asks_nobody_else(address, page, tmp_path):
    quiet = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    for attempt in range(3):  # a browser without a screen crashes at times before it has drawn anything
        command = [
            CHROMIUM,
            "--headless",
            *quiet,
            f"--user-data-dir={tmp_path / str(attempt)}",
            "--virtual-time-budget=10000",
        ]
        browser = subprocess.run(
            [*command, "--dump-dom", f"{address}/phone/{page}"], capture_output=True, text=True, timeout=120
        )
        if browser.returncode == 0:
            break
    seen = json.loads(re.search("<title>(.*?)</title>", browser.stdout).group(1).replace("&amp;", "&"))
    assert seen["text"] > 500 and not seen["broken"]
    assert seen["wide"] <= 390
    assert seen["requests"] and all(request.startswith((address, "data:")) for request in seen["requests"])


@pytest.mark.parametrize("page", PAGES)
def test_nothing_synthetic_is_shown_as_a_result(page):
    """The default book is of real speech; only the demo's pages have the banner of synthetic values."""
    text = (HTML / f"{page}.html").read_text(encoding="utf-8")
    assert "banner-demo" not in text and "profile demo" not in text
