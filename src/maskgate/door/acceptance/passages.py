"""The twenty passages of a check, and what the kiosk should say in each of them."""

from dataclasses import dataclass
from typing import Final

from maskgate.door.readings import Policy

GO: Final = "go"
_MASKED: Final = ("worn", "worn_glasses", "worn_beard", "worn_short", "worn_dark", "worn_other")
_BARE: Final = ("bare", "bare_glasses", "bare_beard", "bare_short", "bare_dark")
NAMES: Final = (
    *_MASKED, *_BARE, "nose", "chin", "hand", "two_worn", "two_bare", "two_mixed",
)  # fmt: skip

# What the kiosk may say by policy. In low light, `dark` is as right for people who may not pass.
_RIGHT: Final[dict[Policy, dict[str, frozenset[str]]]] = {
    "worn": {
        **dict.fromkeys(_MASKED, frozenset({GO})),
        **dict.fromkeys(_BARE, frozenset({"put_on"})),
        "bare_dark": frozenset({"put_on", "dark"}),
        "nose": frozenset({"cover"}),
        "chin": frozenset({"cover", "put_on"}),
        "hand": frozenset({"put_on", "cover"}),
        "two_worn": frozenset({GO}),
        "two_mixed": frozenset({"put_on"}),
    },
    "bare": {
        **dict.fromkeys(_BARE, frozenset({GO})),
        **dict.fromkeys(_MASKED, frozenset({"take_off"})),
        "worn_dark": frozenset({"take_off", "dark"}),
        "nose": frozenset({"take_off"}),
        "chin": frozenset({"take_off"}),
        "hand": frozenset({GO, "take_off"}),  # a hand is no mask, and hides the face
        "two_bare": frozenset({GO}),
        "two_mixed": frozenset({"take_off"}),
    },
}
# In this order; low light comes last, as it takes a while to arrange. A name that comes again asks
# for another person.
_ORDER: Final[dict[Policy, tuple[str, ...]]] = {
    "worn": (
        "worn", "bare", "nose", "chin", "hand", "worn_glasses", "bare_glasses", "worn_beard",
        "bare_beard", "worn_short", "bare_short", "two_worn", "two_mixed", "worn_other",
        "worn", "bare", "nose", "chin", "worn_dark", "bare_dark",
    ),
    "bare": (
        "bare", "worn", "nose", "chin", "hand", "bare_glasses", "worn_glasses", "bare_beard",
        "worn_beard", "bare_short", "worn_short", "two_bare", "two_mixed", "worn_other",
        "bare", "worn", "nose", "chin", "bare_dark", "worn_dark",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Passage:
    """One passage: `name` is that of its texts, `right` what the kiosk may say. `is_again` asks for
    another person than before."""

    name: str
    right: frozenset[str]
    is_again: bool

    @property
    def may_pass(self) -> bool:
        """Whether these people must be let through."""
        return self.right == {GO}

    @property
    def may_not_pass(self) -> bool:
        """Whether `go` is wrong."""
        return GO not in self.right


def passages(policy: Policy) -> list[Passage]:
    """The passages of a door with this policy, in order."""
    names = _ORDER[policy]
    return [
        Passage(name, _RIGHT[policy][name], name in names[:number])
        for number, name in enumerate(names)
    ]
