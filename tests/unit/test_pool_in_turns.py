"""Long lists are worked through without keeping others waiting."""

import asyncio

from oned.pool.turns import in_turns


def test_others_have_their_turn_after_so_many_items() -> None:
    done = list[object]()

    async def other() -> None:
        for turn in "abc":
            done.append(turn)
            await asyncio.sleep(0)

    async def step() -> None:
        beside = asyncio.create_task(other())
        async for item in in_turns(range(6), at_once=2):
            done.append(item)
        await beside

    asyncio.run(step())
    assert done == [0, 1, "a", 2, 3, "b", 4, 5, "c"]
