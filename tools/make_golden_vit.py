#!/usr/bin/env python3
"""Makes tests/golden/vit: a small ViT of timm, what it computes, its gradients and three steps of AdamW.

    make_golden_vit.py [FOLDER]

    model.safetensors    the weights in timm's names, with metadata that make it a model file for every command
    forward.safetensors  input (B,3,S,S), every block's output, the last norm, the logits
    backward.safetensors targets (B,K), the mean loss, the gradient of every parameter
    adamw.safetensors    every parameter after steps 1 and 3, as "1.NAME" and "3.NAME", and the settings

Weights and inputs are float32; PyTorch works on them in float64 and its results are rounded to float32 once, so that a
test sees the engine's own errors and nothing else. The MLP is twice, not four times as wide as the tokens. The sizes are
small: together the files stay below 150 kB. Needs torch, timm and safetensors.
"""
import sys
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer

SIZE, PATCH, WIDTH, DEPTH, HEADS, CLASSES, BATCH = 16, 4, 16, 2, 2, 5, 3
SMOOTHING = 0.1
ADAMW = {"lr": 1e-3, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.05}


def make_model(generator):
    """Weights that are exactly float32 and larger than an initialisation's, so that every term shows."""
    norm = partial(torch.nn.LayerNorm, eps=1e-6)
    model = VisionTransformer(img_size=SIZE, patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS,
                              mlp_ratio=2.0, num_classes=CLASSES, norm_layer=norm)
    with torch.no_grad():
        for name, p in model.named_parameters():
            size = p[0].numel() ** -0.5 if p.ndim in (2, 4) else 0.2
            p.copy_(torch.randn(p.shape, generator=generator) * size + float("norm" in name and "weight" in name))
    return model.double().train()


def forward(model, x):
    """The model's own modules, one after the other, keeping what comes out of each."""
    tokens = model.patch_embed(x)
    tokens = torch.cat([model.cls_token.expand(len(x), -1, -1), tokens], 1) + model.pos_embed
    seen = {"embed": tokens}
    for i, block in enumerate(model.blocks):
        tokens = block(tokens)
        seen[f"block{i}"] = tokens
    seen["norm"] = model.norm(tokens)
    seen["logits"] = model.head(seen["norm"][:, 0])
    torch.testing.assert_close(seen["logits"], model(x))  # timm's own way through
    return seen


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "tests/golden/vit")
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(20)
    model = make_model(generator)
    x = torch.randn(BATCH, 3, SIZE, SIZE, generator=generator).double()
    labels = torch.arange(BATCH) * 2 % CLASSES
    targets = torch.full((BATCH, CLASSES), SMOOTHING / CLASSES, dtype=torch.float64)
    targets[range(BATCH), labels] += 1 - SMOOTHING
    start = {name: p.detach().clone() for name, p in model.named_parameters()}

    seen = forward(model, x)
    optimizer = torch.optim.AdamW(model.parameters(), **ADAMW)
    adamw, backward = {}, {"targets": targets, "labels": labels.to(torch.int32)}
    for step in range(1, 4):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), targets)
        loss.backward()
        if step == 1:
            backward["loss"] = loss
            backward.update({f"grad.{name}": p.grad.clone() for name, p in model.named_parameters()})
        optimizer.step()
        if step != 2:
            adamw.update({f"{step}.{name}": p.detach().clone() for name, p in model.named_parameters()})
    settings = [ADAMW["lr"], *ADAMW["betas"], ADAMW["eps"], ADAMW["weight_decay"]]

    def save(name, tensors, metadata=None):
        plain = {k: v.detach() for k, v in tensors.items()}
        plain = {k: (v.float() if v.is_floating_point() else v).contiguous().clone() for k, v in plain.items()}
        if name == "adamw":
            plain["settings"] = torch.tensor(settings, dtype=torch.float64)
        save_file(plain, folder / f"{name}.safetensors", {"torch": torch.__version__, **(metadata or {})})

    save("model", start, {"architecture": "vit", "num_heads": str(HEADS), "mean": "[0.5, 0.25, 0.125]",
                          "std": "[0.25, 0.5, 1]", "classes": '["a","b","c","d","e"]'})
    save("forward", {"input": x, **seen})
    save("backward", backward)
    save("adamw", adamw)


if __name__ == "__main__":
    main()
