"""What the KVM driver makes of a device of a running domain."""

from oned.drivers.vmm.hotplug import with_limits

DEVICE = (
    '<interface type="bridge"><mac address="02:00:00:00:00:01" /><target dev="vnet3" />'
    '<bandwidth><inbound average="10" /></bandwidth>{more}<alias name="net0" /></interface>'
)


def test_an_interface_gets_other_limits_and_stays_what_it_is() -> None:
    now = DEVICE.format(more='<filterref filter="old" />')
    then = '<interface type="ethernet"><mac address="x"/><bandwidth><outbound average="20"/></bandwidth></interface>'
    made = with_limits(now, then)
    assert made == DEVICE.replace('<bandwidth><inbound average="10" /></bandwidth>{more}', "").replace(
        "</interface>", '<bandwidth><outbound average="20" /></bandwidth></interface>'
    )


def test_an_interface_that_is_as_it_is_to_be_is_not_changed() -> None:
    plain = '<interface type="bridge"><mac address="02:00:00:00:00:01" /></interface>'
    assert with_limits(plain, plain) == plain
