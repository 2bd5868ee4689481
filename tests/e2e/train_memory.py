"""Peak memory of `train sft`: logits are never there as [tokens, vocabulary], checkpointing keeps little of a layer.

    python3 train_memory.py WARDROBE

Tiny random models made on the spot, one optimizer step each, peaks as the kernel reports them for the
finished process. Standard library only.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import tiny_model

TOKENS, BATCH = 1000, 4
MB = 1 << 20


def model(folder, **shape):
    for name, value in shape.items():
        setattr(tiny_model, name, value)
    tiny_model.base(folder)
    return folder


def peak(program, base, work, *flags):
    """Bytes resident at the peak of one training step on BATCH examples of TOKENS bytes, each its own token."""
    data, output = work / "data.jsonl", work / f"out-{len(list(work.iterdir()))}"
    data.write_text("".join(json.dumps({"text": f"{i}" * TOKENS}) + "\n" for i in range(BATCH)))
    command = [program, "train", "sft", "--model", base, "--data", data, "--output", output, "--max-steps", "1",
               "--batch-size", BATCH, "--gradient-accumulation-steps", "1", "--lora-r", "4", "--save-steps", "0", *flags]
    with (work / "log").open("w") as log:
        child = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit((work / "log").read_text())
    return usage.ru_maxrss * 1024


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as scratch:
        work = pathlib.Path(scratch)
        vocabulary = 60_000
        wide = model(work / "wide", VOCAB=vocabulary, HIDDEN=16, LAYERS=1)
        whole = BATCH * TOKENS * vocabulary * 4
        found = peak(program, wide, work)
        print(f"head: {found / MB:.0f} MB at the peak, logits of all tokens would be {whole / MB:.0f} MB")
        assert found < whole / 3, "the logits of all tokens seem to have been in memory at once"

        deep = model(work / "deep", VOCAB=264, HIDDEN=128, LAYERS=16, MLP=512)
        kept = peak(program, deep, work, "--gradient-checkpointing", "false")
        recomputed = peak(program, deep, work, "--gradient-checkpointing", "true")
        print(f"16 layers: {kept / MB:.0f} MB where all is kept, {recomputed / MB:.0f} MB with checkpointing")
        assert recomputed < kept / 2, "checkpointing saves less than half"


main()
