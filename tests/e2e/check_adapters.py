"""Adapters that come, change and go while the server runs."""

import json
import os
import pathlib
import shutil
import struct

from check_answers import chat


def read_tensors(path):
    """{name: (dtype, shape, bytes)} of a safetensors file."""
    data = path.read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    return {
        name: (entry["dtype"], entry["shape"], data[start + entry["data_offsets"][0]:start + entry["data_offsets"][1]])
        for name, entry in header.items()
    }


def write_tensors(path, tensors):
    header, end = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + len(data)]}
        end += len(data)
    header = json.dumps(header).encode()
    header += b" " * (-len(header) % 8)
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"".join(data for _, _, data in tensors.values()))


def scaled_by(factor):
    def change(config, tensors):
        config["lora_alpha"] *= factor
        return tensors
    return change


def of_half_the_rank(config, tensors):
    """The first half of A's rows and of B's columns."""
    config["r"] //= 2

    def halved(name, dtype, shape, data):
        if ".lora_A." in name:
            return dtype, [shape[0] // 2, shape[1]], data[:len(data) // 2]
        row = len(data) // shape[0]
        rows = (data[at:at + row // 2] for at in range(0, len(data), row))
        return dtype, [shape[0], shape[1] // 2], b"".join(rows)

    return {name: halved(name, *tensor) for name, tensor in tensors.items()}


def of_half_the_targets(config, tensors):
    config["target_modules"] = sorted({name.split(".lora_")[0].rsplit(".", 1)[1] for name in tensors})[::2]
    return {name: tensor for name, tensor in tensors.items()
            if name.split(".lora_")[0].rsplit(".", 1)[1] in config["target_modules"]}


class Variants:
    """Copies of an adapter with another scale, half the rank, half the targets: other generations. Removed at the end."""

    COUNT = 3

    def __init__(self, server):
        self.server = server
        self.folders = [server.adapter_dir / f"e2e-variant-{os.getpid()}-{i}" for i in range(self.COUNT)]

    def __enter__(self):
        for folder, change in zip(self.folders, (scaled_by(0.5), of_half_the_rank, of_half_the_targets), strict=True):
            self.write(folder, change)
        return self

    def write(self, folder, change):
        """Makes the folder whole under another name, then renames it into place."""
        source = self.server.adapter_dir / self.server.adapter
        hidden = folder.with_name("." + folder.name)
        hidden.mkdir()
        config = json.loads((source / "adapter_config.json").read_text())
        tensors = change(config, read_tensors(source / "adapter_model.safetensors"))
        (hidden / "adapter_config.json").write_text(json.dumps(config))
        write_tensors(hidden / "adapter_model.safetensors", tensors)
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
    variants.write(folder, scaled_by(4.0))
    second = chat(server, folder.name)
    checks.that(second.adapter_generation != first.adapter_generation, "the change is served at once")
    (folder / "adapter_model.safetensors").write_bytes(b"damaged")
    kept = chat(server, folder.name)
    checks.equal(kept.adapter_generation, second.adapter_generation, "a damaged change does not replace")
    variants.write(folder, scaled_by(2.5))
    checks.equal(server.unload(folder.name)[0], 200, "unload")
    checks.equal(server.post("/v1/completions", {"model": folder.name, "prompt": "x"})[0], 404, "it stays away")
    variants.write(folder, scaled_by(3.5))
    checks.that(chat(server, folder.name).adapter_generation, "until it changes")
    labels = next(name for name in server.metrics() if name.startswith("vllm:lora_requests_info"))
    checks.that(folder.name in labels and server.adapter in labels, "the metrics name what is loaded", labels)


SECTIONS = [lifecycle, refused, found]
