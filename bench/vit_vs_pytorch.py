"""ssfer beside PyTorch on this machine: a training step of the same ViT, batch and threads, measured in turns.

    bench/vit_vs_pytorch.py --ssfer build/release/ssfer --image-size 48 --patch-size 8 \
        --embed-dim 192 --depth 6 --heads 3 --batch-size 64 --threads 2

Needs Python with `torch` and `timm` (pip install torch timm), for this comparison only. A step is forward, cross
entropy, backward, AdamW (weight decay 0.05, betas 0.9/0.95) and an EMA of the weights; for inference there is
inference_vs_peers.py. Each pair runs one after the other in processes of their own; the ratio of a pair
is free of the machine's drift, and the median of the pairs is what counts."""
import argparse

import peer

SIZES = [("image_size", 48), ("patch_size", 8), ("embed_dim", 192), ("depth", 6), ("heads", 3), ("batch_size", 64),
         ("threads", 2)]


def measure_torch(a):
    """Runs in a process of its own: PyTorch's images per second, as the median step."""
    import torch
    from timm.models.vision_transformer import VisionTransformer

    torch.set_num_threads(a.threads)
    model = VisionTransformer(img_size=a.image_size, patch_size=a.patch_size, embed_dim=a.embed_dim, depth=a.depth,
                              num_heads=a.heads, num_classes=8)
    images, labels = torch.randn(a.batch_size, 3, a.image_size, a.image_size), torch.arange(a.batch_size) % 8
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.05, betas=(0.9, 0.95))
    ema = [p.detach().clone() for p in parameters]
    forward = torch.compile(model) if a.compile else model

    def train():
        optimizer.zero_grad()
        with peer.arithmetic(a):
            loss = torch.nn.functional.cross_entropy(forward(images), labels)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(ema, parameters, 0.001)

    peer.answer(a.batch_size, peer.median_step(train, a.seconds))


def options():
    p = peer.parser(__doc__, argparse)
    peer.add_sizes(p, SIZES)
    return p.parse_args()


def main():
    a = options()
    peer.training_main(a, measure_torch, "vit", __file__, [name for name, _ in SIZES],
                       f"training: {a.image_size} px, patch {a.patch_size}, {a.embed_dim}x{a.depth}, {a.heads} heads, "
                       f"batch {a.batch_size}")


main()
