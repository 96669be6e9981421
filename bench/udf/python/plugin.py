"""The function that bench/udf measures, in Python."""

import pyarrow.compute as pc
from quern_udf import BigInt, scalar


@scalar
def twice(v: BigInt) -> BigInt:
    return pc.add(pc.multiply(v, 2), 1)
