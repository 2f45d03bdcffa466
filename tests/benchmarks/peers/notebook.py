"""The notebook loop, as the source reports wrote it: it knows nothing of xzoo.

RGB float tensors from PIL through a DataLoader, gray repeated to three channels, Resize / ToTensor / Normalize, the backbone run
in every epoch in float32, the last layer replaced, Adam 1e-3 with cosine to 0, batch 32, the best epoch on validation kept.
`--cache-features` is the same notebook by an author who runs the frozen backbone once. Prints one JSON object.
"""

# B = images in a batch, C = channels, H, W = pixels, K = classes

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision import datasets, models, transforms

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Loader = Iterable[tuple[Tensor, Tensor]]


def main() -> None:
    """Train as asked, and print what came of it."""
    asked = parse()
    torch.manual_seed(asked.seed)
    loaders = load(asked)
    model, head = make(asked)
    prepared = time.perf_counter()
    if asked.cache_features:
        loaders, model = cached(loaders, model, head, asked), head
    result = train(model, loaders, asked)
    result["seconds"] = time.perf_counter() - prepared
    print(json.dumps(result))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="a folder with train/CLASS/ and val/CLASS/")
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--start", help="a state dict to begin from; default: torchvision's own random weights")
    parser.add_argument("--freeze", choices=["frozen", "finetune"], default="frozen")
    parser.add_argument("--cache-features", action="store_true")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def load(asked: argparse.Namespace) -> dict[str, Loader]:
    """Return the loaders of train and val."""
    steps = [transforms.Resize((asked.size, asked.size)), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    sets = {name: datasets.ImageFolder(f"{asked.data}/{name}", transforms.Compose(steps)) for name in ("train", "val")}
    return {
        name: DataLoader(one, asked.batch_size, shuffle=name == "train", num_workers=asked.workers) for name, one in sets.items()
    }


def make(asked: argparse.Namespace) -> tuple[nn.Module, nn.Module]:
    """Return the model, its last layer replaced and the rest frozen where asked, and that layer."""
    # A random GoogLeNet is trained with its auxiliary heads (https://arxiv.org/abs/1409.4842, section 5), by both sides.
    has_auxiliary = asked.backbone == "googlenet" and asked.freeze == "finetune"
    options: dict[str, Any] = {"aux_logits": has_auxiliary, "init_weights": True} if asked.backbone == "googlenet" else {}
    model: nn.Module = getattr(models, asked.backbone)(weights=None, **options)
    if asked.start:
        tensors = torch.load(asked.start, weights_only=True)
        missing, _ = model.load_state_dict(tensors, strict=False)
        assert not missing, missing
    model.requires_grad_(asked.freeze == "finetune")
    parent, name = (model, "fc") if hasattr(model, "fc") else (model, "classifier")
    if isinstance(getattr(parent, name), nn.Sequential):
        parent = getattr(parent, name)
        name = str(len(parent) - 1)
    head = nn.Linear(getattr(parent, name).in_features, 2)
    setattr(parent, name, head)
    for auxiliary in ("aux1", "aux2") if has_auxiliary else ():
        old = model.get_submodule(f"{auxiliary}.fc2")
        assert isinstance(old, nn.Linear)
        model.set_submodule(f"{auxiliary}.fc2", nn.Linear(old.in_features, 2))
    return model, head


def cached(loaders: dict[str, Loader], model: nn.Module, head: nn.Module, asked: argparse.Namespace) -> dict[str, Loader]:
    """Run the body once over every image, and return loaders of what the head sees."""
    caught: list[Tensor] = []
    head.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    model.eval()
    found: dict[str, Loader] = {}
    for name, loader in loaders.items():
        caught.clear()
        labels = []
        with torch.no_grad():
            for images_BCHW, labels_B in loader:
                model(images_BCHW)
                labels.append(labels_B)
        features = TensorDataset(torch.cat(caught), torch.cat(labels))
        found[name] = DataLoader(features, asked.batch_size, shuffle=name == "train")
    head._forward_pre_hooks.clear()
    return found


def train(model: nn.Module, loaders: dict[str, Loader], asked: argparse.Namespace) -> dict[str, Any]:
    """Train, keep the best epoch on validation, and return its accuracy, the curve, and images trained per second."""
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=asked.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, asked.epochs)
    best, kept, curve, spent, seen = 0.0, copy.deepcopy(model.state_dict()), [], 0.0, 0
    for _ in range(asked.epochs):
        began = time.perf_counter()
        model.train()
        for images_BCHW, labels_B in loaders["train"]:
            optimizer.zero_grad()
            loss = loss_of(model(images_BCHW), labels_B)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            seen += len(labels_B)
        schedule.step()
        spent += time.perf_counter() - began
        accuracy = evaluate(model, loaders["val"])
        curve.append(accuracy)
        if accuracy > best:
            best, kept = accuracy, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    return {"val_accuracy": best, "curve": curve, "train_seconds": spent, "images_per_second": seen / spent}


def loss_of(outputs: Any, labels_B: Tensor) -> Tensor:
    """Return the cross-entropy, to which auxiliary heads add three tenths of theirs."""
    logits_BK, *others = outputs if isinstance(outputs, tuple) else (outputs,)
    loss = nn.functional.cross_entropy(logits_BK, labels_B)
    for other_BK in others:
        loss = loss + 0.3 * nn.functional.cross_entropy(other_BK, labels_B)
    return loss


def evaluate(model: nn.Module, loader: Loader) -> float:
    """Return the share of images that are told right."""
    model.eval()
    right = total = 0
    with torch.no_grad():
        for images_BCHW, labels_B in loader:
            right += int((model(images_BCHW).argmax(1) == labels_B).sum())
            total += len(labels_B)
    return right / total


if __name__ == "__main__":
    main()
