"""How much of what Campaign could take our REST load uses: python bench/rest_load.py [--records 2000] [--parallel 8].

The same new profiles are created twice, side by side with equally many calls: by the hook, and by a bare aiohttp client
that sends bodies made before and reads nothing but the status. What the bare client reaches is what the sandbox serves.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import ssl
import sys
import tempfile
import uuid
from functools import partial
from pathlib import Path

from measuring import ROOT, ROUNDS, Cost, Row, contend, cost_of, hand_over, in_turn, say

sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

from local.environment import connections, read_env_file  # noqa: E402
from tests.sandbox_process import start_sandbox  # noqa: E402


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--records", type=int, default=2000)
    options.add_argument("--parallel", type=int, default=8)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--contender", choices=CONTENDERS)
    asked = options.parse_args()
    if asked.contender:
        hand_over(CONTENDERS[asked.contender](asked.records, asked.parallel))
        return
    with tempfile.TemporaryDirectory() as folder, start_sandbox(Path(folder), people=10) as sandbox:
        env = {"SANDBOX_ENV": str(Path(folder) / "env")}

        def run(name: str) -> Cost:
            size = ["--records", str(asked.records), "--parallel", str(asked.parallel)]
            token = {"CAMPAIGN_TOKEN": sandbox.campaign_token()}
            return contend([sys.executable, __file__, "--contender", name, *size], env | token)

        costs = in_turn({name: partial(run, name) for name in CONTENDERS}, asked.rounds)
    mine, bare = costs["ours"], costs["bare"]
    share = f"{100 * bare.seconds / mine.seconds:.0f} % of the bare client"
    say(
        Row.of(f"REST load, {asked.parallel} calls at once", mine, "≥ 90 % of a bare client", share),
        Row.of("… bare aiohttp client, the same bodies", bare),
    )


def records(count: int) -> list[dict[str, str]]:
    """Profiles that nobody has made before, as a mapping leaves them."""
    keys = [str(uuid.uuid4()) for _ in range(count)]
    return [
        {
            "externalId": key,
            "email": f"{key}@alder.example",
            "salutation": "Ms",
            "firstName": "Ada",
            "lastName": f"Ødegård {key[:4]}",
            "birthDate": "1987-03-09",
            "gender": "female",
            "phone": "+47 555 01234",
            "location.address1": "12 Quay St, back door",
            "location.zipCode": "5003",
            "location.city": "Bergen",
            "location.countryCode": "NO",
        }
        for key in keys
    ]


def ours(count: int, parallel: int) -> Cost:
    """The hook, its writes planned before."""
    os.environ |= connections(read_env_file(Path(os.environ["SANDBOX_ENV"])))
    from campaign_sync.hooks.campaign import CampaignHook
    from campaign_sync.writes import Write

    hook = CampaignHook()
    resource = hook.resource("profile")
    writes = [Write("create", each["externalId"], each) for each in records(count)]

    def work() -> int:
        outcomes = list(hook.write(resource, "externalId", writes, parallel))
        assert {outcome.result for outcome in outcomes} == {"created"}
        return len(outcomes)

    return cost_of(work)


def bare(count: int, parallel: int) -> Cost:
    """As little as a client can do."""
    import aiohttp

    env = read_env_file(Path(os.environ["SANDBOX_ENV"]))
    url = f"{env['CAMPAIGN_URL']}/profileAndServicesExt/profile"
    headers = {
        "Authorization": f"Bearer {os.environ['CAMPAIGN_TOKEN']}",
        "X-Api-Key": env["CAMPAIGN_CLIENT_ID"],
        "Content-Type": "application/json;charset=utf-8",
    }
    bodies = [json.dumps(nested(each), ensure_ascii=False).encode() for each in records(count)]
    trust = ssl.create_default_context(cafile=env["CA_FILE"])

    async def send() -> int:
        waiting = iter(bodies)
        async with aiohttp.ClientSession(
            headers=headers, connector=aiohttp.TCPConnector(limit=parallel, ssl=trust)
        ) as session:

            async def one_after_the_other() -> int:
                done = 0
                for body in waiting:
                    async with session.post(url, data=body) as answer:
                        assert answer.status in (200, 201), await answer.text()
                        await answer.read()
                    done += 1
                return done

            return sum(await asyncio.gather(*(one_after_the_other() for _ in range(parallel))))

    return cost_of(lambda: asyncio.run(send()))


def nested(flat: dict[str, str]) -> dict[str, object]:
    """`location.city` is written as {"location": {"city": …}}."""
    found: dict[str, dict[str, str] | str] = {}
    for name, value in flat.items():
        item, _, part = name.partition(".")
        if part:
            inner = found.setdefault(item, {})
            assert isinstance(inner, dict)
            inner[part] = value
        else:
            found[item] = value
    return dict(found)


CONTENDERS = {"ours": ours, "bare": bare}

if __name__ == "__main__":
    main()
