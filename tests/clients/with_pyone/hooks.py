"""Hooks as pyone reads them."""

from tests.clients.with_pyone.client import Cloud


def hooks_are_read(cloud: Cloud) -> None:
    pool = cloud.one.hookpool.info(-2, -1, -1)
    if not cloud.knows("HOOK_POOL"):  # 5.8
        assert pool.HISTORY == []
        return
    [hook] = pool.HOOK
    assert (hook.ID, hook.NAME, hook.TYPE) == (0, "told", "state")
    assert hook.TEMPLATE["COMMAND"] == "/bin/true"
    assert cloud.one.hook.info(0).NAME == "told"
