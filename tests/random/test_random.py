"""Streams are those of JAX, bit for bit: every sampler against a table that JAX wrote (``data/record_random.py``)."""

import contextlib
import json
import pathlib
import warnings

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import random

TABLE = json.loads((pathlib.Path(__file__).parent / "data" / "random.json").read_text())
SECTIONS = {"x32": (False, True), "x64": (True, True), "original": (False, False)}


@contextlib.contextmanager
def section(name: str):
    x64, partitionable = SECTIONS[name]
    with ferax.enable_x64(x64), ferax.threefry_partitionable(partitionable), warnings.catch_warnings():
        warnings.simplefilter("ignore")         # seeds that lose bits, 64-bit dtypes that are not there
        names = {"random": random, "jnp": jnp, "np": np}
        yield names | {name: eval(text, names) for name, text in TABLE["values"].items()}


def words(value) -> bytes:
    is_key = ferax.dtypes.issubdtype(value.dtype, ferax.dtypes.prng_key)
    return np.asarray(random.key_data(value) if is_key else value).tobytes()


@pytest.mark.parametrize("name", SECTIONS)
def test_same_bits_as_jax(name):
    wrong = []
    with section(name) as names:
        for text, (dtype, shape, data) in TABLE[name].items():
            value = eval(text, names)
            if (str(value.dtype), list(value.shape), words(value).hex()) != (dtype, shape, data):
                wrong.append(f"{text}: {value!r}, of JAX {dtype}{shape} {data}")
    assert not wrong, "\n".join(wrong)
