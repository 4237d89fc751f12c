"""Sessions, and which exception a refusal is."""

from tests.clients.with_pyone.client import Cloud


def the_version_is_three_numbers(cloud: Cloud) -> None:
    parts = cloud.one.system.version().split(".")
    assert len(parts) == 3
    assert all(part.isdigit() for part in parts)


def a_wrong_password_is_an_authentication_exception(cloud: Cloud) -> None:
    for session in ("oneadmin:wrong", "nobody:secret", "oneadmin", ""):
        text = cloud.refused("OneAuthenticationException", cloud.as_user(session).hostpool.info)
        assert text.startswith("[one.hostpool.info] User couldn't be authenticated, aborting call."), session


def a_right_that_is_missing_is_an_authorization_exception(cloud: Cloud) -> None:
    user = cloud.one.user.allocate("carl", "se:cret", "", [])
    carl = cloud.as_user("carl:se:cret")
    text = cloud.refused("OneAuthorizationException", carl.host.allocate, "hers", "dummy", "dummy", 0)
    assert text.startswith(f"[one.host.allocate] User [{user}] : Not authorized to perform CREATE HOST")
    cloud.refused("OneAuthorizationException", carl.vm.info, cloud.new_vm())
    assert carl.vmpool.info(-2, -1, -1, -1).VM == []
    assert carl.user.info(-1).ID == user


def what_is_not_there_is_a_no_exists_exception(cloud: Cloud) -> None:
    one = cloud.one
    for call in (one.vm.info, one.host.info, one.user.info, one.group.info, one.cluster.info, one.datastore.info):
        assert "[99999999]" in cloud.refused("OneNoExistsException", call, 99999999)
    text = cloud.refused("OneNoExistsException", one.vm.info, 99999999)
    assert text.startswith("[one.vm.info] Error getting virtual machine [99999999].")


def a_wrong_state_is_an_action_exception(cloud: Cloud) -> None:
    vm = cloud.new_vm()
    assert cloud.refused("OneActionException", cloud.one.vm.action, "hold", vm).startswith("[one.vm.action] ")
    running = cloud.running()
    cloud.refused("OneActionException", cloud.one.vm.deploy, running, cloud.host())


def a_value_that_is_none_is_an_api_exception(cloud: Cloud) -> None:
    cloud.refused("OneApiException", cloud.one.vmpool.info, -9, -1, -1, -1)
    cloud.refused("OneApiException", cloud.one.vm.update, cloud.new_vm(), "A = 1", 5)


def a_template_that_is_none_is_an_internal_exception(cloud: Cloud) -> None:
    cloud.refused("OneInternalException", cloud.one.vm.allocate, "CPU = [")
    cloud.refused("OneInternalException", cloud.one.vm.allocate, "CPU = 1")
    cloud.refused("OneInternalException", cloud.one.host.allocate, "alpha", "dummy", "dummy", 0)


def a_call_that_is_none_is_the_base_exception(cloud: Cloud) -> None:
    assert "one.vm.explode" in cloud.refused("OneException", cloud.one.vm.explode, 1)
    assert "integer" in cloud.refused("OneException", cloud.one.vm.info, "one")
    assert "Not enough parameters" in cloud.refused("OneException", cloud.one.vm.info)


def a_login_token_stands_for_the_password(cloud: Cloud) -> None:
    token = cloud.one.user.login("oneadmin", "", 600, -1)
    assert cloud.as_user(f"oneadmin:{token}").user.info(-1).NAME == "oneadmin"
    assert cloud.one.user.info(0).LOGIN_TOKEN[-1].EGID == -1
    assert cloud.one.user.login("oneadmin", token, 0, -1)
    cloud.refused("OneAuthenticationException", cloud.as_user(f"oneadmin:{token}").user.info, -1)


def the_configuration_is_read(cloud: Cloud) -> None:
    assert cloud.one.system.config() is not None
