#!/usr/bin/env python3
"""Makes tests/golden/compute: operations of the engine as PyTorch computes them, a safetensors file each.

    make_golden_compute.py [FOLDER]

Inputs are float32; PyTorch works on them in float64 and its results are rounded to float32 once, so that a test sees
the engine's own errors and nothing else. Names are those of src/compute/ops.h; scalars are tensors of one element.
Needs torch and safetensors.
"""
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file


def numbers(generator, *shape, size=1.0):
    """Normal float32 numbers as float64, ready for a gradient."""
    return (torch.randn(*shape, generator=generator) * size).double().requires_grad_()


def layer_norm(g):
    """LayerNorm behind a residual connection with a drop-path factor a sample; eps as in the ViT."""
    B, N, C, eps = 3, 5, 37, 1e-6
    x, branch, gamma, beta = (numbers(g, *s) for s in ((B, N, C), (B, N, C), (C,), (C,)))
    scale = torch.tensor([0.0, 1.25, 1.25], dtype=torch.float64)
    total = x + scale[:, None, None] * branch
    y = F.layer_norm(total, (C,), gamma, beta, eps)
    dy = numbers(g, B, N, C).detach()
    dx, dbranch, dgamma, dbeta = torch.autograd.grad(y, (x, branch, gamma, beta), dy)
    mean = total.mean(-1)
    rstd = 1 / torch.sqrt(total.var(-1, unbiased=False) + eps)
    return {"x": x, "branch": branch, "scale": scale, "gamma": gamma, "beta": beta, "sum": total, "mean": mean,
            "rstd": rstd, "y": y, "dy": dy, "dx": dx, "dbranch": dbranch, "dgamma": dgamma, "dbeta": dbeta,
            "eps": torch.tensor([eps])}


def linear_gelu(g):
    """Linear and exact GELU, fused and apart."""
    M, K, J = 19, 33, 21
    x, w, b = numbers(g, M, K), numbers(g, J, K), numbers(g, J)
    h = F.linear(x, w, b)
    y = F.gelu(h)
    dy = numbers(g, M, J).detach()
    dx, dw, db, dh = torch.autograd.grad(y, (x, w, b, h), dy)
    return {"x": x, "w": w, "b": b, "h": h, "y": y, "dy": dy, "dh": dh, "dx": dx, "dw": dw, "db": db}


def attention(g):
    """Self-attention on the fused projection, laid out as timm's (B, N, 3, H, D)."""
    B, N, H, D = 2, 21, 3, 16
    qkv = numbers(g, B, N, 3, H, D, size=1.5)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
    lse = torch.logsumexp(q @ k.transpose(-2, -1) * D**-0.5, -1)
    dy = numbers(g, B, N, H, D).detach()
    (dqkv,) = torch.autograd.grad(y, qkv, dy)
    return {"qkv": qkv, "y": y, "lse": lse, "dy": dy, "dqkv": dqkv}


def patch_embedding(g):
    """A convolution whose stride is its size, and what follows it: class token and positions."""
    B, channels, height, width, P, C = 2, 3, 12, 20, 4, 13
    image, w, b = numbers(g, B, channels, height, width), numbers(g, C, channels, P, P), numbers(g, C)
    L = (height // P) * (width // P)
    cls, pos = numbers(g, C), numbers(g, L + 1, C)
    tokens = F.conv2d(image, w, b, stride=P).flatten(2).transpose(1, 2)
    x = torch.cat([cls.expand(B, 1, C), tokens], 1) + pos
    dx = numbers(g, B, L + 1, C).detach()
    dw, db, dcls, dpos = torch.autograd.grad(x, (w, b, cls, pos), dx)
    return {"image": image, "w": w, "b": b, "cls": cls, "pos": pos, "x": x, "dx": dx, "dw": dw, "db": db,
            "dcls": dcls, "dpos": dpos}


def cross_entropy(g):
    """Hard, smoothed, mixed and unnormalised targets, and logits that a naive softmax cannot hold."""
    B, K = 6, 7
    logits = numbers(g, B, K, size=3.0)
    with torch.no_grad():
        logits[1] = torch.linspace(-80, 80, K)
    label = torch.tensor([4, 0, 6, 2, 2, 5])
    hard = F.one_hot(label, K).double()
    target = torch.stack([hard[0], hard[1], 0.9 * hard[2] + 0.1 / K, 0.3 * hard[3] + 0.7 * hard[0],
                          torch.rand(K, generator=g).double(), torch.zeros(K, dtype=torch.float64)])
    weight = torch.tensor([1 / B, 1 / B, 1 / B, 0.5, 2.0, 1.0], dtype=torch.float64).float().double()
    target = target.float().double()
    loss = F.cross_entropy(logits, target, reduction="none")
    assert torch.allclose(loss[:2], F.cross_entropy(logits[:2], label[:2], reduction="none"))
    assert torch.allclose(loss[2:3], F.cross_entropy(logits[2:3], label[2:3], label_smoothing=0.1), rtol=1e-6)
    (dlogits,) = torch.autograd.grad((loss * weight).sum(), logits)
    return {"logits": logits, "target": target, "weight": weight, "loss": loss, "dlogits": dlogits}


def adamw(g):
    """torch.optim.AdamW over a few steps whose rate changes, and an exponential moving average of the result."""
    n, steps, decay = 29, 4, 0.996
    rates, beta1, beta2, eps, weight_decay = [1e-2, 5e-3, 2e-3, 1e-3], 0.9, 0.95, 1e-8, 0.05
    start = numbers(g, n).detach()
    p = start.clone().requires_grad_()
    optimizer = torch.optim.AdamW([p], lr=rates[0], betas=(beta1, beta2), eps=eps, weight_decay=weight_decay)
    shadow, grads, out = start.clone(), [], {"p": [], "m": [], "v": [], "shadow": []}
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rates[step]
        grads.append(numbers(g, n, size=10.0 ** -step).detach())
        grads[-1][7] = 0.0  # a parameter that gets no gradient
        p.grad = grads[-1].clone()
        optimizer.step()
        shadow = decay * shadow + (1 - decay) * p.detach()
        state = optimizer.state[p]
        for name, value in (("p", p), ("m", state["exp_avg"]), ("v", state["exp_avg_sq"]), ("shadow", shadow)):
            out[name].append(value.detach().clone())
    return {"start": start, "grads": torch.stack(grads), **{k: torch.stack(v) for k, v in out.items()},
            "rates": torch.tensor(rates, dtype=torch.float64),
            "settings": torch.tensor([beta1, beta2, eps, weight_decay, decay], dtype=torch.float64)}


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "tests/golden/compute")
    folder.mkdir(parents=True, exist_ok=True)
    for seed, make in enumerate((layer_norm, linear_gelu, attention, patch_embedding, cross_entropy, adamw)):
        tensors = make(torch.Generator().manual_seed(seed))
        keep = ("rates", "settings")  # what a program holds in double stays double
        tensors = {k: (v.detach() if k in keep else v.detach().float()).contiguous() for k, v in tensors.items()}
        save_file(tensors, folder / f"{make.__name__}.safetensors", {"torch": torch.__version__})


if __name__ == "__main__":
    main()
