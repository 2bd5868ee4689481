"""Records what llama.cpp's converter makes of tiny models, and what those models were before.

One NAME.gguf a model, by convert_hf_to_gguf.py, and cases.json: config.json's settings, of every tensor of
the checkpoint the shape and the SHA-256 of its values as little-endian f32, and token ids of texts from
the tokenizer that the model began with. Where the file is quantized, the values are those of gguf-py's own
dequantize.

    pip install torch==2.15.0 transformers==5.23.0 tokenizers==0.23.3 sentencepiece==0.2.3
    python record.py LLAMA_CPP    # the tree in llama_cpp_python-0.3.36.tar.gz
"""

import hashlib
import json
import runpy
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast, Qwen2Config, Qwen3Config

HERE = Path(__file__).parent
LLAMA_CPP = Path(sys.argv[1])
sys.path[:0] = [str(LLAMA_CPP), str(LLAMA_CPP / "gguf-py")]
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEXTS = [
    "Hello world, it's 2024! I'LL say: don't.",
    "naïve café ÅÅ\u0041\u030a  three   spaces\n\n\ttabs 12345 6",
    "<|im_start|>user\nWhat is 7*8?<|im_end|>\n<think>x</think>",
    "日本語 emoji 🙂 end ",
    "",
]
CORPUS = ["the quick brown fox says hello world and it's what the user asks 12345 67", "what is seven times eight"] * 20
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def byte_level(kind):
    tokenizer = Tokenizer(models.BPE(ignore_merges=kind == "llama-bpe"))
    if kind == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    if kind == "smollm":
        steps = [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(False, use_regex=True)]
    else:
        digits = r"\p{N}{1,3}" if kind == "llama-bpe" else r"\p{N}"
        split = pre_tokenizers.Split(Regex(PATTERN.replace("DIGITS", digits)), "isolated")
        steps = [split, pre_tokenizers.ByteLevel(False, use_regex=False)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    first = SPECIAL if kind == "smollm" else []
    tokenizer.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=290, initial_alphabet=alphabet, special_tokens=first, show_progress=False)
    )
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.add_tokens(["<think>", "</think>"])
    if kind == "llama-bpe":
        bos = tokenizer.token_to_id("<|endoftext|>")
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<|endoftext|> $A", pair="<|endoftext|> $A <|endoftext|> $B", special_tokens=[("<|endoftext|>", bos)]
        )
    else:
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|endoftext|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template="{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}",
    )


def sentence_piece(folder):
    """A Llama 2 tokenizer: only a SentencePiece model, as llama.cpp reads it first."""
    import sentencepiece

    text = folder / "corpus.txt"
    text.write_text("\n".join(CORPUS))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "tokenizer"), model_type="bpe", vocab_size=320, byte_fallback=True,
        character_coverage=1.0, add_dummy_prefix=True, remove_extra_whitespaces=False, split_digits=True,
        normalization_rule_name="identity", hard_vocab_limit=False, minloglevel=2,
    )
    text.unlink()
    config = {"add_bos_token": True, "add_eos_token": False, "tokenizer_class": "LlamaTokenizer",
              "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return sentencepiece.SentencePieceProcessor(str(folder / "tokenizer.model"))


def convert(folder, outtype, to, pre):
    from conversion.base import TextModel

    TextModel.get_vocab_base_pre = lambda self, tokenizer: pre
    sys.argv = ["convert", str(folder), "--outtype", outtype, "--outfile", str(to)]
    runpy.run_path(str(LLAMA_CPP / "convert_hf_to_gguf.py"), run_name="__main__")


def digest(tensor):
    return hashlib.sha256(tensor.contiguous().float().numpy().tobytes()).hexdigest()


def dequantized(path):
    """Values by gguf-py, under llama.cpp's names."""
    from gguf import GGUFReader
    from gguf.quants import dequantize

    return {t.name: torch.from_numpy(dequantize(t.data, t.tensor_type).copy()) for t in GGUFReader(path).tensors}


def record(name, config, dtype, outtype, pre):
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if pre == "spm":
            pieces = sentence_piece(folder)
            ids = [[1] + pieces.encode(text) for text in TEXTS]
            config.vocab_size = pieces.vocab_size() + 8
        else:
            tokenizer = byte_level(pre)
            tokenizer.save_pretrained(folder)
            ids = [tokenizer(text)["input_ids"] for text in TEXTS]
            config.vocab_size = len(tokenizer) + 8
            config.bos_token_id, config.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
        torch.manual_seed(len(name))
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
        for parameter in model.parameters():
            parameter.data = torch.randn_like(parameter) * 0.1
        model.save_pretrained(folder)
        convert(folder, outtype, HERE / f"{name}.gguf", pre)
        state = load_file(folder / "model.safetensors")
        tensors = {key: {"shape": list(t.shape), "sha256": digest(t)} for key, t in state.items()}
        if outtype == "q8_0":
            names = {"token_embd.weight": "model.embed_tokens.weight", "blk.0.ffn_down.weight": "model.layers.0.mlp.down_proj.weight",
                     "blk.0.attn_v.weight": "model.layers.0.self_attn.v_proj.weight"}
            values = dequantized(HERE / f"{name}.gguf")
            tensors = {key: {"shape": t["shape"]} for key, t in tensors.items()}
            for ours, theirs in names.items():
                tensors[theirs]["sha256"] = digest(values[ours])
        settings = json.loads((folder / "config.json").read_text())
    return {"config": settings, "tensors": tensors, "texts": TEXTS, "ids": ids}


def main():
    small = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4,
                 num_key_value_heads=2, max_position_embeddings=512)
    llama3 = {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 8192, "rope_theta": 500000.0}
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128, "rope_theta": 1000000.0}
    f32, f16 = torch.float32, torch.float16
    cases = {
        "qwen2": record("qwen2", Qwen2Config(**small, tie_word_embeddings=True, rms_norm_eps=1e-6), f32, "q8_0", "qwen2"),
        "qwen3": record("qwen3", Qwen3Config(**small, head_dim=16, tie_word_embeddings=True, rope_parameters=yarn), f16, "f16", "qwen2"),
        "llama3": record("llama3", LlamaConfig(**{**small, "max_position_embeddings": 16384}, head_dim=8, rope_parameters=llama3, rms_norm_eps=1e-5), f16, "f16", "llama-bpe"),
        "smollm": record("smollm", LlamaConfig(**small, tie_word_embeddings=True), f32, "f32", "smollm"),
        "llama2": record("llama2", LlamaConfig(**small, tie_word_embeddings=True), f16, "f16", "spm"),
    }
    lines = [f"{json.dumps(name)}: {json.dumps(case)}" for name, case in cases.items()]
    (HERE / "cases.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


main()
