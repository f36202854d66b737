"""ssfer beside PyTorch on this machine: training of the same masked autoencoder, batch, threads and work, in turns.

    bench/mae_vs_pytorch.py --ssfer build/release/ssfer --image-size 48 --patch-size 8 --embed-dim 192 --depth 12 \
        --heads 12 --decoder-dim 96 --decoder-depth 1 --decoder-heads 3 --batch-size 64 --threads 2

Needs Python with `torch` and `timm` (pip install torch timm), for this comparison only. A training step is masking by
sorted noise, the encoder on the visible patches, the decoder on all, the loss of the hidden ones, backward, and AdamW
(weight decay 0.05, betas 0.9/0.95). Each pair runs one after the other in processes of their own; the ratio of a pair is
free of the machine's drift, and the median of the pairs is what counts."""
import argparse

import peer

SIZES = [("image_size", 48), ("patch_size", 8), ("embed_dim", 192), ("depth", 12), ("heads", 12), ("decoder_dim", 96),
         ("decoder_depth", 1), ("decoder_heads", 3), ("batch_size", 64), ("threads", 2)]


def make_model(a):
    """A masked autoencoder from timm's blocks; the mask keeps `kept` patches of each picture."""
    import torch
    from timm.models.vision_transformer import Block
    from torch import nn

    side, pixels = a.image_size // a.patch_size, 3 * a.patch_size ** 2
    patches = side * side
    kept = int(patches * (1 - a.mask_ratio))

    class Autoencoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Linear(pixels, a.embed_dim)
            self.cls = nn.Parameter(0.02 * torch.randn(1, 1, a.embed_dim))
            self.hidden = nn.Parameter(0.02 * torch.randn(1, 1, a.decoder_dim))
            self.register_buffer("where", torch.randn(1, patches + 1, a.embed_dim))
            self.register_buffer("decoder_where", torch.randn(1, patches + 1, a.decoder_dim))
            self.encoder = nn.Sequential(*(Block(a.embed_dim, a.heads, qkv_bias=True) for _ in range(a.depth)),
                                         nn.LayerNorm(a.embed_dim))
            self.narrow = nn.Linear(a.embed_dim, a.decoder_dim)
            self.decoder = nn.Sequential(
                *(Block(a.decoder_dim, a.decoder_heads, qkv_bias=True) for _ in range(a.decoder_depth)),
                nn.LayerNorm(a.decoder_dim), nn.Linear(a.decoder_dim, pixels))

        def forward(self, images):
            batch, rows = images.shape[0], torch.arange(images.shape[0])[:, None]
            cut = images.unfold(2, a.patch_size, a.patch_size).unfold(3, a.patch_size, a.patch_size)
            cut = cut.permute(0, 2, 3, 4, 5, 1).reshape(batch, patches, pixels)
            order = torch.rand(batch, patches).argsort(1)
            seen, hidden = order[:, :kept], order[:, kept:]
            tokens = self.embed(cut[rows, seen]) + self.where[0, 1:][seen]
            cls = (self.cls + self.where[:, :1]).expand(batch, -1, -1)
            small = self.narrow(self.encoder(torch.cat([cls, tokens], 1)))
            whole = self.hidden.to(small.dtype).repeat(batch, patches, 1)
            whole[rows, seen] = small[:, 1:]
            painted = self.decoder(torch.cat([small[:, :1], whole], 1) + self.decoder_where)[:, 1:]
            return (painted[rows, hidden] - cut[rows, hidden]).square().mean()

    return Autoencoder()


def measure_torch(a):
    """Runs in a process of its own: PyTorch's images per second, as the median step."""
    import torch

    torch.set_num_threads(a.threads)
    model = make_model(a)
    images = torch.randn(a.batch_size, 3, a.image_size, a.image_size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05, betas=(0.9, 0.95))

    forward = torch.compile(model) if a.compile else model

    def step():
        optimizer.zero_grad()
        with peer.arithmetic(a):
            loss = forward(images)
        loss.backward()
        optimizer.step()

    peer.answer(a.batch_size, peer.median_step(step, a.seconds))


def options():
    p = peer.parser(__doc__, argparse)
    peer.add_sizes(p, SIZES)
    p.add_argument("--mask-ratio", type=float, default=0.75)
    return p.parse_args()


def main():
    a = options()
    peer.training_main(a, measure_torch, "mae", __file__, [name for name, _ in SIZES] + ["mask_ratio"],
                       f"masked autoencoder: {a.image_size} px, patch {a.patch_size}, {a.embed_dim}x{a.depth}, decoder "
                       f"{a.decoder_dim}x{a.decoder_depth}, batch {a.batch_size}")


main()
