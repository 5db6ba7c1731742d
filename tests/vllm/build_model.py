"""Build a Qwen3-VL of under a million random weights, with tokenizer and processor: ``build_model.py FOLDER``.

Runs in the environment of the server (torch, transformers, tokenizers), without a network. The weights mean nothing,
but their answers must end: the first dimension of every embedding is one constant that no layer writes to, so that the
first column of the output layer is a bias for each token. It keeps out control characters and white space, of which a
grammar allows any number, and favours whatever closes a string, a list, an object or the answer.
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
LONGEST = 32_768
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>"]
SPECIAL += ["<|image_pad|>", "<|video_pad|>"]
PLAIN = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
NOISE = 3.0  # standard deviation of the logits
NEVER = -20.0
LIKELY = {"<|im_end|>": 0.03, '"': 0.05, "}": 0.03, "]": 0.03, "<tool_call>": 0.1}  # share of the probability
TEMPLATE = """
{%- macro told(content) -%}
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
  {%- if message.role == 'tool' -%}{{- '<tool_response>' + told(message.content) + '</tool_response>' -}}
  {%- else -%}{{- told(message.content) -}}
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
PICTURES = {
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


def tokenizer() -> Tokenizer:
    """Byte pairs of the standard library's sources."""
    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.NFC()
    whole = pre_tokenizers.Split(Regex(WORDS), behavior="isolated")
    made.pre_tokenizer = pre_tokenizers.Sequence([whole, pre_tokenizers.ByteLevel(False, use_regex=False)])
    made.decoder = decoders.ByteLevel()
    sources = sorted(map(str, Path(sysconfig.get_paths()["stdlib"]).glob("*.py")))[:120]
    size = VOCABULARY - len(SPECIAL) - len(PLAIN)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train(sources, trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False))
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    made.add_tokens([AddedToken(token, special=False, normalized=False) for token in PLAIN])
    return made


def configuration(made: Tokenizer) -> Qwen3VLConfig:
    """Two narrow layers of language, two of vision."""
    end, padding = made.token_to_id("<|im_end|>"), made.token_to_id("<|endoftext|>")
    text = {
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "max_position_embeddings": LONGEST,
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
    ids = {name: made.token_to_id(token) for name, token in tokens.items()}
    return Qwen3VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=False, dtype="float32", **ids)


def biases(made: Tokenizer) -> torch.Tensor:
    """How likely each token is to come next, as a logit."""
    bias = torch.zeros(VOCABULARY)
    usable = 0
    for token, index in made.get_vocab().items():
        text = made.decode([index], skip_special_tokens=False)
        bad = token in SPECIAL + PLAIN or "\ufffd" in text or not text.strip() or any(ord(c) < 32 for c in text)
        bias[index] = NEVER if bad else 0.0
        usable += not bad
    for token, share in LIKELY.items():
        bias[made.token_to_id(token)] = math.log(usable * share / (1 - share)) + NOISE**2 / 2
    return bias


@torch.no_grad()
def model(made: Tokenizer) -> Qwen3VLForConditionalGeneration:
    """Random weights around the biases."""
    built = Qwen3VLForConditionalGeneration(configuration(made)).float().eval()
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
    built.lm_head.weight[:, 0] = biases(made) / float(hidden[:, 0].mean())
    for token in LIKELY:
        built.lm_head.weight[made.token_to_id(token), 1:] *= 0.25
    ends = [made.token_to_id(token) for token in ("<|im_end|>", "<|endoftext|>")]
    built.generation_config.update(eos_token_id=ends, pad_token_id=ends[1], bos_token_id=ends[1])
    return built


def main(folder: Path) -> None:
    """Write everything that a server loads."""
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    made = tokenizer()
    saved = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=LONGEST
    )
    saved.chat_template = TEMPLATE
    saved.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tokenizer_class": "Qwen2Tokenizer"}))
    model(made).save_pretrained(folder)
    image = {"image_processor_type": "Qwen2VLImageProcessor", "size": {"shortest_edge": 4096, "longest_edge": 65536}}
    video = {"video_processor_type": "Qwen3VLVideoProcessor", "size": {"shortest_edge": 4096, "longest_edge": 262144}}
    (folder / "preprocessor_config.json").write_text(json.dumps(PICTURES | image))
    (folder / "video_preprocessor_config.json").write_text(json.dumps(PICTURES | video))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
