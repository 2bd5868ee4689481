"""Adapters that come, change and go while the server runs."""

import json
import os
import pathlib
import shutil

from check_answers import chat


class Variants:
    """Copies of an adapter with other scales: other behaviour, other generations. Removed at the end."""

    COUNT = 3

    def __init__(self, server):
        self.server = server
        self.folders = [server.adapter_dir / f"e2e-variant-{os.getpid()}-{i}" for i in range(self.COUNT)]

    def __enter__(self):
        for i, folder in enumerate(self.folders):
            self.write(folder, 0.5 + i)
        return self

    def write(self, folder, factor):
        """Makes the folder whole under another name, then renames it into place."""
        source = self.server.adapter_dir / self.server.adapter
        hidden = folder.with_name("." + folder.name)
        hidden.mkdir()
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.copyfile(source / name, hidden / name)
        config = json.loads((hidden / "adapter_config.json").read_text())
        config["lora_alpha"] *= factor
        (hidden / "adapter_config.json").write_text(json.dumps(config))
        shutil.rmtree(folder, ignore_errors=True)
        hidden.rename(folder)

    def __exit__(self, *_):
        for folder in self.folders:
            self.server.unload(folder.name)
            shutil.rmtree(folder, ignore_errors=True)


def lifecycle(checks, server, variants):
    """load, replace, unload"""
    name, first, second = "e2e-adapter", variants.folders[0], variants.folders[1]
    status, text = server.load(name, first)
    checks.equal((status, text), (200, f"Success: LoRA adapter '{name}' added successfully."), "load")
    before = chat(server, name)
    checks.equal(server.load(name, second)[0], 400, "load over a name that is taken")
    checks.equal(chat(server, name).adapter_generation, before.adapter_generation, "the generation after that")
    checks.equal(server.load(name, second, inplace=True)[0], 200, "load in place")
    after = chat(server, name)
    checks.that(after.adapter_generation != before.adapter_generation, "another generation")
    checks.equal(server.load(name, first.name, inplace=True)[0], 200, "a path below the adapter folder")
    again = chat(server, name)
    checks.equal(again.adapter_generation, before.adapter_generation, "the first generation again")
    checks.equal(again.choices[0].message.content, before.choices[0].message.content, "its answer")
    listed = json.loads(server.request("GET", "/v1/lora_adapters")[2])["data"]
    entry = next(entry for entry in listed if entry["lora_name"] == name)
    checks.equal(entry["generation"], before.adapter_generation, "the list's generation")
    checks.that(entry["bytes"] > 0 and entry["report"]["modules"], "the list's report", entry)
    checks.equal(server.unload(name), (200, f"Success: LoRA adapter '{name}' removed successfully."), "unload")
    checks.equal(server.unload(name)[0], 404, "unload what is not loaded")
    checks.equal(server.post("/v1/completions", {"model": name, "prompt": "x"})[0], 404, "ask what is not loaded")


def refused(checks, server, variants):
    """paths and names that are refused"""
    folder = variants.folders[0]
    outside = pathlib.Path("/etc")
    link = server.adapter_dir / f"e2e-link-{os.getpid()}"
    link.symlink_to(outside)
    try:
        for path in (outside, link, f"../{server.adapter_dir.name}/{folder.name}", folder / ".." / folder.name, "."):
            status, text = server.load("e2e-refused", path)
            checks.equal((status, json.loads(text)["error"]["code"]), (400, "path_not_allowed"), f"load {path}")
    finally:
        link.unlink()
    checks.equal(server.load("e2e-refused", "no-such-folder")[0], 404, "load from nowhere")
    for name in ("a,b", "a/b", "", server.base):
        checks.equal(server.load(name, folder)[0], 400, f"load as {name!r}")
    checks.equal(server.post("/v1/load_lora_adapter", {"lora_name": "x"})[0], 400, "load without a path")


def found(checks, server, variants):
    """adapters found on disk, and changed there"""
    folder = variants.folders[2]
    first = chat(server, folder.name)
    checks.that(first.adapter_generation, "a folder's name is a model's name")
    variants.write(folder, 4.0)
    second = chat(server, folder.name)
    checks.that(second.adapter_generation != first.adapter_generation, "the change is served at once")
    (folder / "adapter_model.safetensors").write_bytes(b"damaged")
    kept = chat(server, folder.name)
    checks.equal(kept.adapter_generation, second.adapter_generation, "a damaged change does not replace")
    variants.write(folder, 2.5)
    checks.equal(server.unload(folder.name)[0], 200, "unload")
    checks.equal(server.post("/v1/completions", {"model": folder.name, "prompt": "x"})[0], 404, "it stays away")
    variants.write(folder, 3.5)
    checks.that(chat(server, folder.name).adapter_generation, "until it changes")
    labels = next(name for name in server.metrics() if name.startswith("vllm:lora_requests_info"))
    checks.that(folder.name in labels and server.adapter in labels, "the metrics name what is loaded", labels)


SECTIONS = [lifecycle, refused, found]
