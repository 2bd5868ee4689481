"""Pushes a package to a hub on the loopback and reads its card there as huggingface_hub reads cards.

    python tests/e2e/card_loads.py [WARDROBE]          default: target/release/wardrobe; base and adapter: checkpoints/

Needs huggingface_hub (peers.txt brings it). The base is known as a model of the hub, by a cache made for it. Held to: the
front matter is YAML whose keys huggingface_hub knows, with the base, how the package comes from it, library, licence
and task; the card lists every file with its SHA-256.
"""

import base64
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

from huggingface_hub import ModelCard

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASE, ADAPTER = ROOT / "checkpoints/initial", ROOT / "checkpoints/sft"


class Hub(http.server.BaseHTTPRequestHandler):
    """Takes every file of a commit as a part of it; keeps them by name."""

    files: dict[str, bytes] = {}

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        answer = {"url": "", "commitUrl": "http://127.0.0.1/commit"}
        if "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            answer = {"files": [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]}
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()[1:]):
                self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def cache_with_base(cache: pathlib.Path) -> None:
    repo = cache / "models--someone--base"
    snapshot = repo / "snapshots" / "0123"
    shutil.copytree(BASE, snapshot)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0123")
    (snapshot / "README.md").write_text("---\nlicense: other\nlicense_name: 'our own: v1'\nlicense_link: LICENSE\n---\n")


def main():
    wardrobe = sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/release/wardrobe"
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as work:
        cache, package = pathlib.Path(work) / "cache", pathlib.Path(work) / "package"
        cache_with_base(cache)

        def run(*words, **variables):
            env = os.environ | {"HF_HUB_CACHE": str(cache)} | variables
            subprocess.run([wardrobe, *map(str, words)], check=True, stdout=subprocess.DEVNULL, env=env)

        run("export", "ollama", "--model", "someone/base", "--adapter", ADAPTER, "--type", "q8_0", "--name", "demo",
            "--output", package, HF_HUB_OFFLINE="1")
        run("push", "--dir", package, "org/demo", HF_HUB_OFFLINE="0", HF_TOKEN="secret",
            HF_ENDPOINT=f"http://127.0.0.1:{server.server_address[1]}")
        sent = {path.name: path.read_bytes() for path in package.iterdir()}
    card = ModelCard(Hub.files.pop("README.md").decode())
    expected = {
        "base_model": "someone/base", "base_model_relation": "finetune", "library_name": "gguf",
        "pipeline_tag": "text-generation", "license": "other", "license_name": "our own: v1", "license_link": "LICENSE",
        "tags": ["gguf", "ollama", "wardrobe", "conversational"],
    }
    assert card.data.to_dict() == expected, card.data.to_dict()
    assert Hub.files == sent, sorted(Hub.files)
    for name, content in sent.items():
        assert f"| `{name}` | {len(content)} | `{hashlib.sha256(content).hexdigest()}` |" in card.text, name
    print(f"a card with {len(expected)} keys for the hub, and the digests of {len(sent)} files")


if __name__ == "__main__":
    main()
