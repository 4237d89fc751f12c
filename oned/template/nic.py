"""What the text of a NIC means, for the daemon and the scheduler."""

from collections.abc import Mapping

AUTO = "AUTO"


def is_chosen_for(nic: Mapping[str, str]) -> bool:
    """Whether its network is yet to be chosen, when its VM is placed: NETWORK_MODE = auto, and no NETWORK_ID."""
    return nic.get("NETWORK_MODE", "").strip().upper() == AUTO and not nic.get("NETWORK_ID", "").strip()
