"""ssfer beside PyTorch on this machine: the same step of semi-supervised training (Stage III), in turns.

    bench/semi_vs_pytorch.py --ssfer build/release/ssfer --image-size 48 --patch-size 8 --embed-dim 192 --depth 6 \
        --heads 3 --batch-size 64 --mu 1 --kept 0.6 --threads 2

Needs Python with `torch` and `timm` (pip install torch timm), for this comparison only. In a step the teacher, an EMA of
the student, labels mu times the batch; the student learns the batch of labeled pictures and the strong views of the
others, with AdamW (weight decay 0.05, betas 0.9/0.95); then the EMA. PyTorch passes all strong views through the student
and multiplies the losses of unsure ones by zero, as the method's released code does; ssfer leaves these out, so --kept
says how many it has to learn. Of PyTorch's two ways, a pass of the student for each kind of pictures or one for both,
the faster one counts. Images are labeled and unlabeled pictures. Each pair runs one after the other in processes of their
own; the ratio of a pair is free of the machine's drift, and the median of the pairs is what counts."""
import argparse
import copy

import peer

SIZES = [("image_size", 48), ("patch_size", 8), ("embed_dim", 192), ("depth", 6), ("heads", 3), ("batch_size", 64),
         ("mu", 1), ("threads", 2)]
THRESHOLD, UNLABELED_WEIGHT = 0.7, 5.0


def measure_torch(a):
    """Runs in a process of its own: PyTorch's images per second, as the median step."""
    import torch
    from timm.models.vision_transformer import VisionTransformer
    from torch.nn.functional import cross_entropy

    torch.set_num_threads(a.threads)
    student = VisionTransformer(img_size=a.image_size, patch_size=a.patch_size, embed_dim=a.embed_dim, depth=a.depth,
                                num_heads=a.heads, num_classes=8)
    teacher = copy.deepcopy(student).eval()
    parameters, averages = list(student.parameters()), list(teacher.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.05, betas=(0.9, 0.95))
    batch, unlabeled = a.batch_size, a.mu * a.batch_size
    pictures = (3, a.image_size, a.image_size)
    images, labels = torch.randn(batch, *pictures), torch.arange(batch) % 8
    weak, strong = torch.randn(unlabeled, *pictures), torch.randn(unlabeled, *pictures)
    learn, ask = (torch.compile(m) if a.compile else m for m in (student, teacher))

    def pseudo_labels():
        with torch.inference_mode(), peer.arithmetic(a):
            confidence, guesses = torch.softmax(ask(weak).float(), -1).max(-1)
            mask = (confidence >= THRESHOLD).float()
        return guesses.clone(), mask.clone()  # outside of inference mode: autograd refuses its tensors

    def step(together):
        guesses, mask = pseudo_labels()
        optimizer.zero_grad()
        with peer.arithmetic(a):
            if together:
                known, guessed = learn(torch.cat([images, strong])).split([batch, unlabeled])
            else:
                known, guessed = learn(images), learn(strong)
            loss = cross_entropy(known, labels)
            loss = loss + UNLABELED_WEIGHT * (cross_entropy(guessed, guesses, reduction="none") * mask).mean()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(averages, parameters, 0.001)

    seconds = min(peer.median_step(lambda: step(together), a.seconds) for together in (False, True))
    peer.answer(batch + unlabeled, seconds)


def options():
    p = peer.parser(__doc__, argparse)
    peer.add_sizes(p, SIZES)
    p.add_argument("--kept", type=float, default=1.0, help="share of the strong views that ssfer's student learns")
    return p.parse_args()


def main():
    a = options()
    peer.training_main(a, measure_torch, "semi", __file__, [name for name, _ in SIZES] + ["kept"],
                       f"semi-supervised step: {a.image_size} px, patch {a.patch_size}, {a.embed_dim}x{a.depth}, "
                       f"{a.heads} heads, batch {a.batch_size} and {a.mu * a.batch_size}, {a.kept:g} kept")


main()
