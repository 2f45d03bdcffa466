from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Tree = Callable[..., Path]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("XZOO_CACHE_LIMIT", raising=False)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Makes a folder of distinct gray images: `tree("a/1.png", "b/2.png")`."""

    def make(*names: str, size: tuple[int, int] = (8, 6), root: str = "images") -> Path:
        folder = tmp_path / root
        folder.mkdir(exist_ok=True)
        for place, name in enumerate(names):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(place).integers(0, 256, size[::-1], dtype=np.uint8)
            Image.fromarray(pixels).save(path)
        return folder

    return make


@pytest.fixture
def four(tree: Tree) -> Path:
    """Two classes of two images each."""
    return tree("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png")
