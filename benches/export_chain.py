"""Times base + adapter to a quantized GGUF: this program's one pass against the chain that it replaces.

    python benches/export_chain.py --model DIR --llama-cpp DIR [--type q4_k_m] [--runs 3]

The chain is PEFT's merge_and_unload and save_pretrained, then llama.cpp's convert_hf_to_gguf.py, then its
llama-quantize (built in DIR/build/bin). Needs torch, transformers, peft and gguf. Each run does both, one after
the other, so that a machine that slows down slows both; files are removed in between. Prints the median of each
step's wall time, the ratio of the totals run by run, and peak resident memory. The proof that follows an export is
left out (--no-verify): the chain has none. The quantized files are not compared here: the chain rounds to bf16
between its steps, the one pass does not.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

MERGE = """
import sys, torch, transformers, peft
base, adapter, out = sys.argv[1:]
model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
model = peft.PeftModel.from_pretrained(model, adapter).merge_and_unload()
model.save_pretrained(out)
transformers.AutoTokenizer.from_pretrained(base).save_pretrained(out)
"""

ADAPTER = """
import sys, torch, transformers, peft
base, out, rank = sys.argv[1:]
torch.manual_seed(0)
model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
config = peft.LoraConfig(r=int(rank), lora_alpha=2 * int(rank), target_modules="all-linear", init_lora_weights=False)
peft.get_peft_model(model, config).save_pretrained(out)
"""


def timed(command):
    """Seconds of wall time and peak resident MB of one command."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        if status != 0:
            log.seek(0)
            sys.exit(f"{command} failed:\n{log.read()[-2000:]}")
    return seconds, usage.ru_maxrss / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--llama-cpp", type=pathlib.Path, required=True)
    parser.add_argument("--wardrobe", type=pathlib.Path, default=pathlib.Path("target/release/wardrobe"))
    parser.add_argument("--type", default="q4_k_m")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    quantize = options.llama_cpp / "build/bin/llama-quantize"
    steps = {"merge (PEFT)": [], "convert_hf_to_gguf": [], "llama-quantize": [], "wardrobe export gguf": []}
    with tempfile.TemporaryDirectory(dir=".") as work:
        work = pathlib.Path(work)
        adapter, merged, dense, chained, ours = (work / name for name in ["a", "m", "d.gguf", "c.gguf", "w.gguf"])
        timed([sys.executable, "-c", ADAPTER, options.model, adapter, options.rank])
        commands = {
            "merge (PEFT)": [sys.executable, "-c", MERGE, options.model, adapter, merged],
            "convert_hf_to_gguf": [sys.executable, options.llama_cpp / "convert_hf_to_gguf.py", merged, "--outtype",
                                   "bf16", "--outfile", dense],
            "llama-quantize": [quantize, dense, chained, options.type],
            "wardrobe export gguf": [options.wardrobe, "export", "gguf", "--model", options.model, "--adapter",
                                     adapter, "--type", options.type, "--output", ours, "--no-verify"],
        }
        for _ in range(options.runs):
            for name, command in commands.items():
                steps[name].append(timed(command))
            for path in [dense, chained, ours, ours.with_suffix(".export-report.json")]:
                path.unlink()
            shutil.rmtree(merged)
    for name, runs in steps.items():
        seconds = [run[0] for run in runs]
        print(f"{name:22} {statistics.median(seconds):7.2f} s ({min(seconds):.2f} .. {max(seconds):.2f})"
              f"   peak {max(run[1] for run in runs):6.0f} MB")
    chain = [sum(steps[name][run][0] for name in list(steps)[:3]) for run in range(options.runs)]
    ratios = [total / steps["wardrobe export gguf"][run][0] for run, total in enumerate(chain)]
    print(f"{'the chain':22} {statistics.median(chain):7.2f} s")
    print(f"{'ratio':22} {statistics.median(ratios):7.2f} x ({min(ratios):.2f} .. {max(ratios):.2f})")


if __name__ == "__main__":
    main()
