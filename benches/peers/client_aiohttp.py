"""client_aiohttp.py URL REQUESTS CONCURRENCY

One session with room for all connections it uses; so many tasks as may be under way. Prints how
many answers were whole.
"""

import asyncio
import sys

import aiohttp

BODY = 1024


async def main(url: str, requests: int, concurrency: int) -> None:
    left = iter(range(requests))
    whole = 0

    async def worker(session: aiohttp.ClientSession) -> None:
        nonlocal whole
        for _ in left:
            async with session.get(url) as response:
                body = await response.read()
                if response.status != 200 or len(body) != BODY:
                    sys.exit(f"{response.status}, {len(body)} bytes")
            whole += 1

    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(worker(session) for _ in range(concurrency)))
    print(whole)


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
