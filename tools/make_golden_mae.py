#!/usr/bin/env python3
"""Makes tests/golden/mae: a training checkpoint of a small masked autoencoder in the published layout.

    make_golden_mae.py [FOLDER]

    checkpoint.pth           {"model", "optimizer", "epoch", "lr_scheduler_state_dict"} after three AdamW steps
    checkpoint.safetensors   the same numbers by name: NAME, exp_avg.NAME, exp_avg_sq.NAME; "step" and "epoch"
    next.safetensors         NAME after one more AdamW step with the gradients grad.NAME at rate 1e-3

Only names, shapes and the optimizer matter here, so the module has parameters and no forward pass; gradients are random
numbers. Needs torch and safetensors.
"""
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

IMAGE, PATCH, DIM, DEPTH, DECODER_DIM, DECODER_DEPTH = 12, 4, 8, 2, 4, 1


def block(width):
    """Parameters of a pre-norm transformer block under their usual names."""
    b = nn.Module()
    b.norm1 = nn.LayerNorm(width)
    b.attn = nn.Module()
    b.attn.qkv = nn.Linear(width, 3 * width)
    b.attn.proj = nn.Linear(width, width)
    b.norm2 = nn.LayerNorm(width)
    b.mlp = nn.Module()
    b.mlp.fc1 = nn.Linear(width, 4 * width)
    b.mlp.fc2 = nn.Linear(4 * width, width)
    return b


def autoencoder():
    tokens = (IMAGE // PATCH) ** 2 + 1
    m = nn.Module()
    m.cls_token = nn.Parameter(torch.randn(1, 1, DIM))
    m.pos_embed = nn.Parameter(torch.randn(1, tokens, DIM), requires_grad=False)
    m.mask_token = nn.Parameter(torch.randn(1, 1, DECODER_DIM))
    m.decoder_pos_embed = nn.Parameter(torch.randn(1, tokens, DECODER_DIM), requires_grad=False)
    m.patch_embed = nn.Module()
    m.patch_embed.proj = nn.Conv2d(3, DIM, PATCH, PATCH)
    m.blocks = nn.ModuleList(block(DIM) for _ in range(DEPTH))
    m.norm = nn.LayerNorm(DIM)
    m.decoder_embed = nn.Linear(DIM, DECODER_DIM)
    m.decoder_blocks = nn.ModuleList(block(DECODER_DIM) for _ in range(DECODER_DEPTH))
    m.decoder_norm = nn.LayerNorm(DECODER_DIM)
    m.decoder_pred = nn.Linear(DECODER_DIM, 3 * PATCH * PATCH)
    return m


def step(model, optimizer):
    grads = {}
    for name, p in model.named_parameters():
        if p.requires_grad:
            p.grad = torch.randn(p.shape) * 0.1
            grads["grad." + name] = p.grad.clone()
    optimizer.step()
    return grads


def main():
    out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "tests/golden/mae")
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(11)
    model = autoencoder()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.05)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1.0)
    for _ in range(3):
        step(model, optimizer)
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 41,
                "lr_scheduler_state_dict": scheduler.state_dict()}, out / "checkpoint.pth")
    numbers = {k: v.clone() for k, v in model.state_dict().items()}
    for name, p in model.named_parameters():
        for moment in ("exp_avg", "exp_avg_sq"):
            if p in optimizer.state:
                numbers[f"{moment}.{name}"] = optimizer.state[p][moment].clone()
    save_file(numbers, out / "checkpoint.safetensors", metadata={"step": "3", "epoch": "41"})
    grads = step(model, optimizer)
    save_file({**{k: v.clone() for k, v in model.state_dict().items()}, **grads}, out / "next.safetensors")


if __name__ == "__main__":
    main()
