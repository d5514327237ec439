"""Addresses of receivers, without passwords in them."""

from typing import Final
from urllib.parse import SplitResult, urlsplit

from maskgate.errors import MaskgateError

_EXAMPLES: Final = {"http": "http://host:8080/path", "mqtt": "mqtt://host:1883/prefix"}


def address(
    option: str, url: str, schemes: tuple[str, ...], password_option: str = ""
) -> SplitResult:
    """The parts of an address with one of the `schemes`. Only with a `password_option` may it name
    a user. Raises MaskgateError, which does not quote the address: a part may be secret."""
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in schemes and parts.hostname and parts.port != 0
        (parts.hostname or "").encode("idna")  # as the system is asked for it
    except ValueError:  # also UnicodeError, of a host such as `broker..lan`
        is_whole = False
    if not is_whole:
        raise MaskgateError(f"{option}: no such address; write one as {_EXAMPLES[schemes[0]]}")
    if any(each.isspace() or not each.isprintable() for each in url):
        raise MaskgateError(
            f"{option}: spaces and control characters are in no address; write %20 for a space"
        )
    if parts.password is not None:
        raise MaskgateError(
            f"{option}: everybody on this machine can read a password in an address;"
            f" {f'give {password_option}' if password_option else 'leave it out'}"
        )
    if parts.username is not None and not password_option:
        raise MaskgateError(
            f"{option}: the address names a user, which is not supported; remove it"
        )
    return parts
