"""What can be asserted of a page on a screen: nothing overflows, overlaps or is hard to read."""

import os
from pathlib import Path
from typing import Any, Final

LEAST_CONTRAST: Final = 4.5

# Every visible text: its box, the size of its letters, and its contrast to what is behind it.
_TEXTS: Final = """() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [x, y, z] = [r, g, b].map((value) => linear(value / 255));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const color = parse(getComputedStyle(node).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const texts = [];
  let number = 0; // of the text
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!node.data.trim() || !parent.checkVisibility({ visibilityProperty: true })) continue;
    number += 1;
    const range = document.createRange();
    range.selectNodeContents(node);
    const style = getComputedStyle(parent);
    const [one, two] = [luminance(parse(style.color)), luminance(behind(parent))];
    const clip = parent.closest("#picture")?.getBoundingClientRect();
    for (const box of range.getClientRects()) {
      texts.push({
        number, text: node.data, size: parseFloat(style.fontSize), inPicture: !!clip,
        box: [box.left, box.top + scrollY, box.right, box.bottom + scrollY],
        clip: clip && [clip.left, clip.top + scrollY, clip.right, clip.bottom + scrollY],
        contrast: (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05),
      });
    }
  }
  const { scrollWidth, scrollHeight } = document.documentElement;
  return { texts, page: [scrollWidth, scrollHeight], screen: [innerWidth, innerHeight] };
}"""


def faults(page: Any, least_size: float, may_scroll: bool = False) -> list[str]:
    """What is wrong with the texts of a page; letters have `least_size` pixels at least."""
    answer = page.evaluate(_TEXTS)
    width, height = answer["screen"]
    problems = []
    if answer["page"][0] > width or (answer["page"][1] > height and not may_scroll):
        problems.append(f"the page has {answer['page']} pixels, the screen {answer['screen']}")
    for text in answer["texts"]:
        left, top, right, bottom = text["box"]
        begin, up, end, down = text["clip"] or (0, 0, *answer["page"])
        if left < begin - 1 or right > end + 1 or top < up - 1 or bottom > down + 1:
            problems.append(f"cut off: {text['text']} at {text['box']}")
        if text["size"] < least_size - 0.01 and not text["inPicture"]:
            problems.append(f"too small: {text['text']}, {text['size']:.1f} of {least_size:.1f}")
        if text["contrast"] < LEAST_CONTRAST:
            problems.append(f"contrast: {text['text']}, {text['contrast']:.2f}")
    for number, one in enumerate(answer["texts"]):
        problems += [
            f"overlap: {one['text']} and {two['text']}"
            for two in answer["texts"][:number]
            if one["number"] != two["number"]
            if one["inPicture"] == two["inPicture"] and _overlap(one["box"], two["box"]) > 3
        ]
    return list(dict.fromkeys(problems))


def _overlap(one: list[float], two: list[float]) -> float:
    """Pixels by which two boxes overlap, in the direction in which that is fewer."""
    return min(min(one[2], two[2]) - max(one[0], two[0]), min(one[3], two[3]) - max(one[1], two[1]))


def save(page: Any, name: str) -> None:
    """Store a picture of the whole page in the folder $MASKGATE_SCREENSHOTS, if it is set."""
    if folder := os.environ.get("MASKGATE_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def check_accessibility(page: Any) -> None:
    """Check the page with axe-core, whose file $MASKGATE_AXE names, if it is set."""
    if path := os.environ.get("MASKGATE_AXE"):
        page.evaluate(Path(path).read_text("utf-8"))
        violations = page.evaluate("axe.run().then((each) => each.violations)")
        faulty = [(each["id"], each["nodes"][0]["html"]) for each in violations]
        assert not faulty, faulty
