"""The dashboard's process never imports torch, whichever page is open."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

WALK = """
import sys
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest
from qdash.jobs import client

client.enqueue = lambda *_, **__: None
client.ensure_worker = lambda *_: None
made = PagesManager.__init__

def make(self, *args, **kwargs):
    made(self, *args, **kwargs)
    PagesManager.uses_pages_directory = False

PagesManager.__init__ = make
for page in ("overview", "new_run", "live", "layers", "decide", "runs"):
    app = AppTest.from_file("app.py", default_timeout=60)
    if page != "overview":
        app.switch_page(f"pages/{page}.py")
    app.run()
    assert not app.exception, (page, app.exception)
    assert app.title, page
    assert "torch" not in sys.modules, f"{page} imported torch"
print("walked")
"""


def test_no_page_imports_torch(done):
    found = subprocess.run(
        [sys.executable, "-c", WALK], cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=120
    )
    assert found.returncode == 0, found.stderr[-2000:]
    assert found.stdout.strip() == "walked"
