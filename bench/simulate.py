"""placeholder"""


async def main(n: int) -> int:
    return 0
