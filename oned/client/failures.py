"""What can go wrong with a call, as the caller sees it."""


class ClientError(Exception):
    """Any failure of a call; its text is a sentence for the user."""


class ServerRefused(ClientError):
    """The daemon answered `[false, text, code]`. The codes are those of OpenNebula: 0x0400 is "no such object"."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class Faulted(ClientError):
    """The call itself was wrong: an unknown method (-506), wrong arguments (-501), not XML-RPC (-503)."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{text} (fault {code})")
        self.code = code
        self.text = text


class Unreachable(ClientError):
    """No answer came. The call may or may not have had its effect once it was sent."""


class NotConfigured(ClientError):
    """There is no usable endpoint or no credentials."""


class Unsendable(ClientError, ValueError):
    """An argument holds a character that XML cannot carry."""
