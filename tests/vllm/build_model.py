"""Build a Qwen3-VL with under a million random weights, a tokenizer and a processor: ``build_model.py FOLDER``.

Runs offline in the environment of the server (torch, transformers, tokenizers). The weights mean nothing, but the
model's answers must end. Therefore the first dimension of every embedding is a constant that no layer writes to, which
makes the first column of the output layer a bias for each token. The bias suppresses control characters and white
space, of which a grammar allows any number, and favours tokens that close a string, a list, an object or the answer.
"""

from __future__ import annotations

import json
import math
import sys
import sysconfig
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3VLConfig, Qwen3VLForConditionalGeneration

VOCABULARY, WIDTH, LAYERS = 4096, 64, 2
MAX_LENGTH = 32_768
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>"]
SPECIAL += ["<|image_pad|>", "<|video_pad|>"]
PLAIN = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
NOISE = 3.0  # standard deviation of the logits
NEVER = -20.0
CLOSING = {"<|im_end|>": 0.03, '"': 0.05, "}": 0.03, "]": 0.03, "<tool_call>": 0.1}  # share of the probability
TEMPLATE = """
{%- macro text_of(content) -%}
  {%- if content is string -%}{{ content }}
  {%- else -%}
    {%- for part in content or [] -%}
      {%- if part.type in ('image', 'image_url') -%}<|vision_start|><|image_pad|><|vision_end|>
      {%- elif 'text' in part -%}{{ part.text }}
      {%- endif -%}
    {%- endfor -%}
  {%- endif -%}
{%- endmacro -%}
{%- for message in messages -%}
  {{- '<|im_start|>' + ('user' if message.role == 'tool' else message.role) + '\\n' -}}
  {%- if message.role == 'tool' -%}{{- '<tool_response>' + text_of(message.content) + '</tool_response>' -}}
  {%- else -%}{{- text_of(message.content) -}}
  {%- endif -%}
  {%- if loop.first and tools -%}
    {%- for tool in tools -%}{{- '\\n' + (tool | tojson) -}}{%- endfor -%}
  {%- endif -%}
  {%- for call in message.tool_calls or [] -%}
    {{- '<tool_call>\\n' + (call.function | tojson) + '\\n</tool_call>' -}}
  {%- endfor -%}
  {{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
""".strip()
PROCESSOR = {
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "do_resize": True,
    "do_convert_rgb": True,
    "resample": 3,
    "image_mean": [0.5] * 3,
    "image_std": [0.5] * 3,
    "processor_class": "Qwen3VLProcessor",
}


def build_tokenizer() -> Tokenizer:
    """Byte-pair tokenizer trained on the standard library's sources."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    whole = pre_tokenizers.Split(Regex(WORDS), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([whole, pre_tokenizers.ByteLevel(False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    sources = sorted(map(str, Path(sysconfig.get_paths()["stdlib"]).glob("*.py")))[:120]
    size = VOCABULARY - len(SPECIAL) - len(PLAIN)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train(sources, trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False))
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in PLAIN])
    return tokenizer


def configuration(tokenizer: Tokenizer) -> Qwen3VLConfig:
    """Two narrow language layers and two vision layers."""
    end, padding = tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")
    text = {
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "max_position_embeddings": MAX_LENGTH,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 5e6,
            "mrope_section": [8, 4, 4],
            "mrope_interleaved": True,
        },
        "tie_word_embeddings": False,
        "pad_token_id": padding,
        "bos_token_id": padding,
        "eos_token_id": end,
    }
    vision = {
        "depth": 2,
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_heads": 2,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "out_hidden_size": WIDTH,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0],
    }
    tokens = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>"}
    tokens |= {"vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}
    ids = {name: tokenizer.token_to_id(token) for name, token in tokens.items()}
    return Qwen3VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=False, dtype="float32", **ids)


def biases(tokenizer: Tokenizer) -> torch.Tensor:
    """Logit of each token's probability to come next."""
    bias = torch.zeros(VOCABULARY)
    usable = 0
    for token, index in tokenizer.get_vocab().items():
        text = tokenizer.decode([index], skip_special_tokens=False)
        suppressed = token in SPECIAL + PLAIN or "\ufffd" in text or not text.strip() or any(ord(c) < 32 for c in text)
        bias[index] = NEVER if suppressed else 0.0
        usable += not suppressed
    for token, share in CLOSING.items():
        bias[tokenizer.token_to_id(token)] = math.log(usable * share / (1 - share)) + NOISE**2 / 2
    return bias


@torch.no_grad()
def build_model(tokenizer: Tokenizer) -> Qwen3VLForConditionalGeneration:
    """Model with random weights and the biases."""
    built = Qwen3VLForConditionalGeneration(configuration(tokenizer)).float().eval()
    language = built.model.language_model
    for weights in [*language.layers.parameters(), *built.model.visual.parameters()]:
        if weights.dim() == 2:
            weights.normal_(0, 0.12)
    for layer in language.layers:
        layer.self_attn.o_proj.weight[0] = 0
        layer.mlp.down_proj.weight[0] = 0
    language.embed_tokens.weight.normal_(0, 1)
    language.embed_tokens.weight[:, 0] = math.sqrt(WIDTH - 1)
    hidden = language(input_ids=torch.arange(VOCABULARY // 2)[None]).last_hidden_state[0]
    built.lm_head.weight.normal_(0, NOISE / float(hidden[:, 1:].norm(dim=1).mean()))
    built.lm_head.weight[:, 0] = biases(tokenizer) / float(hidden[:, 0].mean())
    for token in CLOSING:
        built.lm_head.weight[tokenizer.token_to_id(token), 1:] *= 0.25
    ends = [tokenizer.token_to_id(token) for token in ("<|im_end|>", "<|endoftext|>")]
    built.generation_config.update(eos_token_id=ends, pad_token_id=ends[1], bos_token_id=ends[1])
    return built


def main(folder: Path) -> None:
    """Write all files that a server loads."""
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    tokenizer = build_tokenizer()
    fast_tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=MAX_LENGTH
    )
    fast_tokenizer.chat_template = TEMPLATE
    fast_tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tokenizer_class": "Qwen2Tokenizer"}))
    build_model(tokenizer).save_pretrained(folder)
    image = {"image_processor_type": "Qwen2VLImageProcessor", "size": {"shortest_edge": 4096, "longest_edge": 65536}}
    video = {"video_processor_type": "Qwen3VLVideoProcessor", "size": {"shortest_edge": 4096, "longest_edge": 262144}}
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR | image))
    (folder / "video_preprocessor_config.json").write_text(json.dumps(PROCESSOR | video))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
