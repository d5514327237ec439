"""What covers a part of a photo: the drawn strip or rectangle, and nothing else."""

import math

import pytest
import torch
from torchvision.transforms import v2

from maskgate.pipeline.augment.covers import PhotoEdge, RandomErasing
from maskgate.pipeline.augment.draws import uniform

COUNT, HEIGHT, WIDTH = 300, 40, 20
WHITE = torch.full((COUNT, 3, HEIGHT, WIDTH), 255, dtype=torch.uint8)


def test_the_edge_of_a_photo_is_a_strip_along_one_side() -> None:
    transform = PhotoEdge(share=0.5, p=0.7)
    draw = uniform(range(COUNT), transform.random_count)
    results = transform(WHITE.clone(), draw)
    for result, u in zip(results, draw.tolist(), strict=True):
        expected = WHITE[0].clone()
        side = ("bottom", "bottom", "top", "left", "right")[math.floor(5 * u[0])]
        cut = round((HEIGHT if side in ("bottom", "top") else WIDTH) * 0.5 * u[1])
        if u[2] < 0.7 and cut:
            part = {
                "bottom": expected[:, -cut:],
                "top": expected[:, :cut],
                "left": expected[:, :, :cut],
                "right": expected[:, :, -cut:],
            }[side]
            part.fill_(128)
        assert torch.equal(result, expected)


@pytest.mark.parametrize("value", [0.0, 7.0, [10.0, 20.0, 30.0]])
@pytest.mark.parametrize(
    ("scale", "ratio"), [((0.02, 0.33), (0.3, 3.3)), ((0.9, 1.0), (0.1, 10.0))]
)
def test_erasing_covers_the_rectangle_that_torchvision_would(
    scale: tuple[float, float], ratio: tuple[float, float], value: float | list[float]
) -> None:
    transform = RandomErasing(v2.RandomErasing(0.6, scale, ratio, value))
    draw = uniform(range(COUNT), transform.random_count)
    results = transform(WHITE.clone(), draw)
    erased = 0
    for result, u in zip(results, draw.tolist(), strict=True):
        expected = WHITE[0].clone()
        for area_u, ratio_u in zip(u[3:13], u[13:], strict=True):
            area = HEIGHT * WIDTH * (scale[0] + (scale[1] - scale[0]) * area_u)
            aspect = math.exp(
                math.log(ratio[0]) + (math.log(ratio[1]) - math.log(ratio[0])) * ratio_u
            )
            height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if height < HEIGHT and width < WIDTH:
                if u[2] < 0.6:
                    top = math.floor(u[0] * (HEIGHT - height + 1))
                    left = math.floor(u[1] * (WIDTH - width + 1))
                    colour = torch.tensor(value).to(torch.uint8).view(-1, 1, 1)
                    expected = v2.functional.erase(expected, top, left, height, width, colour)
                    erased += 1
                break
        assert torch.equal(result, expected)
    assert 0 < erased < COUNT


def test_a_colour_has_one_value_or_three() -> None:
    with pytest.raises(ValueError, match=r"value is \[1.0, 2.0\]; give one number, or three"):
        RandomErasing(v2.RandomErasing(1.0, (0.3, 0.3), (1, 1), [1, 2]))
