"""What the user did, or has, that we cannot go on with: one sentence, exit code 2."""


class MaskgateError(Exception):
    """A fault the user can mend. The message is one line: what, where and the remedy."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


def listed(items: list[str], limit: int = 5) -> str:
    """`items` as one phrase, cut after `limit` of them: `a, b and 7 more`."""
    if len(items) <= limit:
        return ", ".join(items)
    return f"{', '.join(items[:limit])} and {len(items) - limit} more"
