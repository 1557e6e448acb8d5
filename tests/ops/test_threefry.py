"""Threefry against its authors' test vectors, and random bits and keys against those of jax 0.10.2.

``data/threefry.json`` maps ``partitionable|what|seed|argument|...`` to what jax gives, in 64-bit mode.
"""

import ast
import json
from pathlib import Path

import numpy as np
import pytest

from ferax._src.ops import threefry
from ferax._src.runtime import dispatch  # noqa: F401  (lets operations run)
from ferax._src.tracing.core import MappedAxis
from ferax._src.transforms.batch import batch_flat
from ferax._src.util import config

REFERENCE = json.loads((Path(__file__).parent / "data" / "threefry.json").read_text())

# Random123's kat_vectors for threefry2x32 with 20 rounds: key, counter, result.
KNOWN = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]


@pytest.mark.parametrize("key, counter, wanted", KNOWN)
def test_known_answers(key, counter, wanted):
    words = [np.uint32(w) for w in (*key, *counter)]
    assert [int(y) for y in threefry.threefry2x32_p.bind(*words)] == list(wanted)


@pytest.mark.parametrize("case", REFERENCE)
def test_same_as_jax(case):
    partitionable, what, seed, *rest = case.split("|")
    with config.enable_x64(True), config.threefry_partitionable(partitionable == "True"):
        found = threefry.threefry_seed(int(seed))
        assert found.shape == (2,) and found.dtype == np.uint32
        if what == "fold":
            found = threefry.threefry_fold_in(found, int(rest[0]))
        elif what == "split":
            found = threefry.threefry_split(found, ast.literal_eval(rest[0]))
        elif what == "bits":
            found = threefry.threefry_random_bits(found, int(rest[0]), ast.literal_eval(rest[1]))
            assert found.dtype == np.dtype(f"uint{rest[0]}")
    assert np.asarray(found).tolist() == REFERENCE[case]


@pytest.mark.parametrize("partitionable", [True, False])
def test_batched_over_keys(partitionable):
    with config.threefry_partitionable(partitionable):
        keys = threefry.threefry_split(threefry.threefry_seed(0), (4,))
        for fn in (lambda k: threefry.threefry_random_bits(k, 32, (3, 2)), lambda k: threefry.threefry_split(k, (2,)),
                   lambda k: threefry.threefry_fold_in(k, 5)):
            (found,), (d,) = batch_flat(lambda k: [fn(k)], [keys], [0], MappedAxis(4))
            wanted = np.stack([np.asarray(fn(np.asarray(keys)[i])) for i in range(4)], d)
            assert np.array_equal(np.asarray(found), wanted)


def test_a_prefix_of_partitionable_bits_does_not_depend_on_the_size():
    key = threefry.threefry_seed(3)
    long, short = (np.asarray(threefry.threefry_random_bits(key, 32, (n,))) for n in (9, 4))
    assert np.array_equal(long[:4], short)


def test_indices_of_more_than_32_bits():
    upper, lower = threefry.iota_2x32_shape_p.abstract_eval(shape=(2 ** 20, 2 ** 13))
    assert upper.shape == lower.shape == (2 ** 20, 2 ** 13)


def test_errors():
    with pytest.raises(TypeError, match="8, 16, 32 or 64, got 7"):
        threefry.threefry_random_bits(threefry.threefry_seed(0), 7, ())
    with pytest.raises(TypeError, match=r"uint32 array of shape \(2,\)"):
        threefry.threefry_split(np.zeros(3, np.uint32), (2,))
    with pytest.raises(TypeError, match="must be an integer"):
        threefry.threefry_seed(1.5)
    with pytest.raises(TypeError, match="must be a scalar"):
        threefry.threefry_seed(np.arange(2))
