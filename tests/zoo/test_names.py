from __future__ import annotations

import pytest

from xzoo.errors import UsageError
from xzoo.zoo.names import Reference, parse


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("alexnet", Reference("alexnet")),
        (" alexnet ", Reference("alexnet")),
        ("alexnet@random:3", Reference("alexnet", weights="random:3")),
        ("alexnet@/a/b@c.pth", Reference("alexnet", weights="/a/b@c.pth")),
        ("rival:alexnet@V1", Reference("alexnet", distribution="rival", weights="V1")),
        ("timm/convnext_tiny.in12k", Reference("timm/convnext_tiny.in12k")),
        ("my-dist.x:timm/a", Reference("timm/a", distribution="my-dist.x")),
        ("vit_b_16-384", Reference("vit_b_16-384")),
        ("timm/hf-hub:timm/resnet18.a1_in1k@v2", Reference("timm/hf-hub:timm/resnet18.a1_in1k", weights="v2")),
        ("timm/local-dir:/my nets/a.b", Reference("timm/local-dir:/my nets/a.b")),
        ("xzoo:timm/hf-hub:a/b", Reference("timm/hf-hub:a/b", distribution="xzoo")),
        ("./mynet.py:net@random", Reference("", weights="random", file="./mynet.py", attribute="net")),
        ("../a:b/mynet.py:net", Reference("", file="../a:b/mynet.py", attribute="net")),
        ("/abs/mynet.py:net", Reference("", file="/abs/mynet.py", attribute="net")),
    ],
)
def test_a_written_name_is_taken_apart(text: str, reference: Reference) -> None:
    assert parse(text) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@random",
        "alexnet@",
        ":alexnet",
        "a:",
        "a:b:c",
        "two words",
        "timm/",
        "a//b",
        "timm/a:b",
        "timm/hf-hub:",
        "-x",
        "./mynet.py",
        "./mynet.py:",
        "./a.py:1x",
    ],
)
def test_a_word_that_is_no_name_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert caught.value.text
    assert "write" in caught.value.remedy
