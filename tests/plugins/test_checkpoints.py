from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import xzoo
from xzoo.model.weights import load
from xzoo.zoo.spec import Choice, FileStart

Draw = Callable[[str, int], nn.Module]


def state(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def loaded(network: nn.Module, backbone: xzoo.Backbone, checkpoint: Mapping[str, Tensor]) -> dict[str, Tensor]:
    load(network, Choice(backbone, xzoo.Weights("published", read=lambda: checkpoint)))
    return state(network)


def with_dots(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return names as the published DenseNets have them; they are older than batch norm's counter."""
    old = {re.sub(r"(denselayer\d+)\.(norm|conv)(\d)\.", r"\1.\2.\3.", name): tensor for name, tensor in values.items()}
    return {name: tensor for name, tensor in old.items() if "num_batches_tracked" not in name}


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(tensor, second[name]) for name, tensor in first.items())


@pytest.mark.parametrize("name", ["densenet121", "densenet161"])
def test_a_densenet_checkpoint_with_the_old_dotted_names_loads(name: str, draw: Draw, zoo: Mapping[str, xzoo.Backbone]) -> None:
    values = state(draw(name, 1))
    old = with_dots(values)
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    assert "features.norm5.weight" in old
    assert same(loaded(draw(name, 2), zoo[name], old), values)


def test_a_densenet_checkpoint_with_todays_names_loads(draw: Draw, zoo: Mapping[str, xzoo.Backbone]) -> None:
    values = state(draw("densenet121", 1))
    assert same(loaded(draw("densenet121", 2), zoo["densenet121"], values), values)


def test_renaming_does_to_densenet_what_torchvision_does(draw: Draw, zoo: Mapping[str, xzoo.Backbone]) -> None:
    from torchvision.models import densenet

    old = with_dots(state(draw("densenet121", 1)))

    class Published:
        def get_state_dict(self, **_options: object) -> dict[str, Tensor]:
            return dict(old)

    theirs = draw("densenet121", 2)
    densenet._load_state_dict(theirs, Published(), progress=False)
    assert same(loaded(draw("densenet121", 2), zoo["densenet121"], old), state(theirs))


def test_a_transformer_checkpoint_with_the_old_names_of_its_linear_layers_loads(
    draw: Draw, zoo: Mapping[str, xzoo.Backbone]
) -> None:
    values = state(draw("vit_b_32", 1))
    old = {
        name.replace(".mlp.0.", ".mlp.linear_1.").replace(".mlp.3.", ".mlp.linear_2."): value for name, value in values.items()
    }
    assert old.keys() != values.keys()
    assert same(loaded(draw("vit_b_32", 2), zoo["vit_b_32"], old), values)


def test_googlenets_untrained_auxiliary_heads_are_left_out(draw: Draw, zoo: Mapping[str, xzoo.Backbone]) -> None:
    before, values = state(draw("googlenet", 2)), state(draw("googlenet", 1))
    for name, tensor in loaded(draw("googlenet", 2), zoo["googlenet"], values).items():
        assert torch.equal(tensor, before[name] if name.startswith(("aux1.", "aux2.")) else values[name]), name


def test_inceptions_auxiliary_head_is_loaded(draw: Draw, zoo: Mapping[str, xzoo.Backbone]) -> None:
    values = state(draw("inception_v3", 1))
    assert same(loaded(draw("inception_v3", 2), zoo["inception_v3"], values), values)


def test_a_mnasnet_loads_from_a_file_that_keeps_no_version(tmp_path: Path, draw: Draw, zoo: Mapping[str, xzoo.Backbone]) -> None:
    backbone = zoo["mnasnet0_5"]
    values = state(draw("mnasnet0_5", 1))
    save_file(values, tmp_path / "mine.safetensors")
    network = backbone.build()
    load(network, Choice(backbone, FileStart(str(tmp_path / "mine.safetensors"))))
    assert same(state(network), values)


def test_a_mnasnet_of_the_first_version_is_still_recognised(zoo: Mapping[str, xzoo.Backbone]) -> None:
    from torchvision.models import mnasnet0_5

    first = mnasnet0_5(weights=None)
    values = first.state_dict()
    values._metadata[""]["version"] = 1
    with pytest.warns(UserWarning, match="saved using the previous version"), pytest.raises(RuntimeError, match="size mismatch"):
        zoo["mnasnet0_5"].build().load_state_dict(values)


def test_a_swag_checkpoint_of_another_resolution_fits_the_network_of_that_name(zoo: Mapping[str, xzoo.Backbone]) -> None:
    with torch.device("meta"):
        shapes = {
            name: zoo[name].build().get_parameter("encoder.pos_embedding").shape[1] for name in ("vit_b_16", "vit_b_16-384")
        }
    assert shapes == {"vit_b_16": 14 * 14 + 1, "vit_b_16-384": 24 * 24 + 1}
    assert "IMAGENET1K_SWAG_E2E_V1" not in [weights.name for weights in zoo["vit_b_16"].weights]
    assert [weights.name for weights in zoo["vit_b_16-384"].weights] == ["IMAGENET1K_SWAG_E2E_V1"]
