"""Records what PEFT and llama.cpp make of two adapters: `adapters.json` beside this file.

The adapters of `adapters/` belong to the tiny models of `models/`; the file's name says which in
`base_model_name_or_path`. Their A and B are made from tensor names as the models' weights are. Kept: the scale
that PEFT gives each module, and the beginning of the SHA-256 of each tensor in convert_lora_to_gguf.py's file. (That
converter ignores rsLoRA and patterns, so of `patterns` its tensors are right and its alpha is not.)

    python record_adapters.py --llama-cpp DIR     # the tree in llama_cpp_python-0.3.36.tar.gz

Needs what record.py needs, and peft.
"""

import argparse
import json
import pathlib
import runpy
import shutil
import sys
import tempfile

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent


def write_adapter(config_file: pathlib.Path, model, folder: pathlib.Path, uniform) -> dict[str, float]:
    """The adapter's folder; returns PEFT's scale of each module."""
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict

    config = LoraConfig(**{k: v for k, v in json.loads(config_file.read_text()).items() if k != "peft_type"})
    wrapped = get_peft_model(model, config)
    folder.mkdir()
    shutil.copy(config_file, folder / "adapter_config.json")
    state = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    tensors = {n: torch.from_numpy(uniform(n, t.numel()).reshape(t.shape)) for n, t in state.items()}
    save_file(tensors, folder / "adapter_model.safetensors")
    scaled = {n: m.scaling["default"] for n, m in wrapped.named_modules() if isinstance(getattr(m, "scaling", None), dict)}
    return {name.removeprefix("base_model.model."): float(scale) for name, scale in scaled.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--llama-cpp", type=pathlib.Path, required=True)
    llama_cpp = parser.parse_args().llama_cpp.resolve()
    sys.path[:0] = [str(llama_cpp), str(llama_cpp / "gguf-py")]
    sys.argv = ["record.py", "--llama-cpp", str(llama_cpp)]
    record = runpy.run_path(str(HERE / "record.py"), run_name="record")
    from transformers import AutoModelForCausalLM

    recorded = {}
    with tempfile.TemporaryDirectory() as work:
        for config_file in sorted((HERE / "adapters").glob("*.json")):
            base = json.loads(config_file.read_text())["base_model_name_or_path"]
            folder, adapter = pathlib.Path(work) / config_file.stem, pathlib.Path(work) / f"{config_file.stem}-adapter"
            record["write_model"](HERE / "models" / f"{base}.json", folder)
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
            scales = write_adapter(config_file, model, adapter, record["uniform"])
            to = pathlib.Path(work) / "adapter.gguf"
            sys.argv = ["convert", str(adapter), "--base", str(folder), "--outfile", str(to)]
            runpy.run_path(str(llama_cpp / "convert_lora_to_gguf.py"), run_name="__main__")
            tensors = sorted([name, digest] for name, _, digest in record["tensors_of"](to))
            recorded[config_file.stem] = {"scales": scales, "tensors": tensors}
    (HERE / "adapters.json").write_text(json.dumps(recorded, separators=(",", ":")) + "\n")


main()
