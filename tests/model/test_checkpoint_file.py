from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from xzoo.errors import WeightsError
from xzoo.model.checkpoint_file import read_tensors


def trained() -> dict[str, Tensor]:
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).state_dict()


def refusal(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        read_tensors(path)
    assert caught.value.remedy
    return caught.value.text


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize("keep", [0, 1, 20, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, ending: str, keep: float) -> None:
    path = tmp_path / f"cut{ending}"
    save_file(trained(), path) if ending == ".safetensors" else torch.save(trained(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if 0 < keep < 1 else int(keep)])
    assert str(path) in refusal(path)


@pytest.mark.parametrize(
    "content", [{"epoch": 3}, {}, [torch.ones(2)], torch.ones(2), {"state_dict": {}}, {"a": {"b": torch.ones(1)}}]
)
def test_a_file_that_holds_no_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "odd.pt")
    assert "no state dict" in refusal(tmp_path / "odd.pt")


def test_a_page_of_text_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "login.pth").write_text("<html>please log in</html>")
    assert refusal(tmp_path / "login.pth") == f"{tmp_path}/login.pth is no checkpoint"


class Attack:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.victim,)


@pytest.mark.parametrize(
    ("protocol", "what"), [(None, "nothing in it was executed"), (2, "nothing in it was executed"), (4, "no checkpoint")]
)
def test_a_pickle_of_more_than_tensors_is_refused_without_running_it(tmp_path: Path, protocol: int | None, what: str) -> None:
    path, victim = tmp_path / "attack.pt", tmp_path / "victim"
    if protocol is None:
        torch.save({"state_dict": trained(), "more": Attack(victim)}, path)
    else:
        path.write_bytes(pickle.dumps({"more": Attack(victim)}, protocol))
    assert what in refusal(path)
    assert not victim.exists()
    pickle.loads(pickle.dumps(Attack(victim)))
    assert victim.exists(), "the attack works where it is let in"
