"""Generators besides Threefry-2x32, as functions on the words of one key: see `prng.PRNGImpl`.

``rbg`` and ``unsafe_rbg`` take their bits from `rng_bit_generator`, which accelerators do quickly; keys are four words. Under
`vmap` all bits come from the first key. ``rbg`` splits and folds by Threefry, a half of the key at a time; ``unsafe_rbg``
does so with bits of its own, ten rows of which count as a hash.

``philox2x32``, ``philox4x32`` and ``threefry4x32`` hash a key and a counter as Threefry-2x32 does: Salmon, Moraes, Dror and Shaw,
*Parallel random numbers: as easy as 1, 2, 3* (SC 2011), whose names for words and rounds are used here. A counter is the
index of an element, in the first two words for bits and in the last two for new keys.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ferax._src.ops.broadcasting import broadcast_to
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise import add, mul
from ferax._src.ops.elementwise_bits import bitwise_or, bitwise_xor, mulhi, shift_left, shift_right_logical
from ferax._src.ops.joining import concatenate, stack, unstack
from ferax._src.ops.rng import rng_bit_generator
from ferax._src.ops.shape import reshape
from ferax._src.ops.slicing import slice_in_dim
from ferax._src.ops.threefry import iota_2x32_shape, threefry_fold_in, threefry_seed, threefry_split
from ferax._src.types.avals import aval_of

_UINT32 = np.dtype(np.uint32)
_UINTS = {n: np.dtype(f"uint{n}") for n in (8, 16, 32, 64)}
_ZERO = np.uint32(0)


# --- rbg and unsafe_rbg -------------------------------------------------------------------------

def rbg_seed(seed):
    """Threefry's key for a seed, twice."""
    half = threefry_seed(seed)
    return concatenate([half, half], 0)


def rbg_split(key, shape):
    halves = [threefry_split(half, shape) for half in _halves(key)]
    return concatenate(halves, len(shape))


def rbg_fold_in(key, data):
    return concatenate([threefry_fold_in(half, data) for half in _halves(key)], 0)


def rbg_random_bits(key, bit_width: int, shape):
    return rng_bit_generator(key, shape, _UINTS[bit_width])[1]


def _halves(key):
    return slice_in_dim(key, 0, 2), slice_in_dim(key, 2, 4)


_ROWS = 10              # of four words, of which one becomes a key


def unsafe_rbg_split(key, shape):
    num = math.prod(shape)
    _, rows = rng_bit_generator(key, (_ROWS * num, 4), _UINT32)
    return reshape(slice_in_dim(rows, 0, _ROWS * num, _ROWS), (*shape, 4))


def unsafe_rbg_fold_in(key, data):
    _, rows = rng_bit_generator(rbg_seed(data), (_ROWS, 4), _UINT32)
    return bitwise_xor(key, reshape(slice_in_dim(rows, _ROWS - 1, _ROWS), (4,)))


# --- Philox: rounds of multiplication -----------------------------------------------------------

_PHILOX_2, _PHILOX_4 = np.uint32(0xD256D193), (np.uint32(0xD2511F53), np.uint32(0xCD9E8D57))
_WEYL = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)    # of the golden ratio and of sqrt(3) - 1
_PHILOX_ROUNDS = 10


def philox_2x32(key, counter) -> list:
    """Two words for a key of one word and a counter of two."""
    (k,), (x0, x1) = key, counter
    for r in range(_PHILOX_ROUNDS):
        if r:
            k = add(k, _WEYL[0])
        x0, x1 = bitwise_xor(bitwise_xor(mulhi(x0, _PHILOX_2), x1), k), mul(x0, _PHILOX_2)
    return [x0, x1]


def philox_4x32(key, counter) -> list:
    """Four words for a key of two words and a counter of four."""
    (k0, k1), (x0, x1, x2, x3) = key, counter
    for r in range(_PHILOX_ROUNDS):
        if r:
            k0, k1 = add(k0, _WEYL[0]), add(k1, _WEYL[1])
        by_0, by_1 = [(mulhi(x, m), mul(x, m)) for x, m in zip((x0, x2), _PHILOX_4)]
        x0, x1 = bitwise_xor(bitwise_xor(by_1[0], x1), k0), by_1[1]
        x2, x3 = bitwise_xor(bitwise_xor(by_0[0], x3), k1), by_0[1]
    return [x0, x1, x2, x3]


# --- Threefry: rounds of addition and rotation --------------------------------------------------

_ROTATIONS = (10, 26), (11, 21), (13, 27), (23, 5), (6, 20), (17, 11), (25, 10), (18, 20)      # table 2 of the paper
_THREEFRY_ROUNDS = 20
_PARITY = np.uint32(0x1BD11BDA)


def threefry_4x32(key, counter) -> list:
    """Four words for a key of four words and a counter of four."""
    parity = _PARITY
    for k in key:
        parity = bitwise_xor(parity, k)
    schedule = [*key, parity]
    x = [add(c, k) for c, k in zip(counter, key)]
    for r in range(_THREEFRY_ROUNDS):
        for place, (i, j) in enumerate(((0, 3), (2, 1)) if r % 2 else ((0, 1), (2, 3))):
            by = _ROTATIONS[r % 8][place]
            x[i] = add(x[i], x[j])
            turned = bitwise_or(shift_left(x[j], np.uint32(by)), shift_right_logical(x[j], np.uint32(32 - by)))
            x[j] = bitwise_xor(turned, x[i])
        if r % 4 == 3:
            n = r // 4 + 1
            x = [add(word, schedule[(n + i) % 5]) for i, word in enumerate(x)]
            x[3] = add(x[3], np.uint32(n))
    return x


# --- generators that hash counters --------------------------------------------------------------

class _Hash:
    """A generator's functions, from ``cipher(key words, counter words) -> words``."""

    def __init__(self, cipher: Callable, key_words: int, counter_words: int):
        self.cipher, self.key_words, self.counter_words = cipher, key_words, counter_words

    def hashed(self, key, counter: list, ndim: int):
        """New keys: the first words of the hash, along a last axis."""
        return stack(self.cipher(key, self.filled(counter))[:self.key_words], ndim)

    def filled(self, counter, at_the_end: bool = True):
        """A counter of two words in one of as many as the cipher takes, the others 0."""
        zeros = [np.zeros(aval_of(counter[0]).shape, np.uint32)] * (self.counter_words - 2)
        return [*zeros, *counter] if at_the_end else [*counter, *zeros]

    def seed(self, seed):
        upper, lower = unstack(threefry_seed(seed))
        if self.key_words == 4:                 # the seed is the key
            return stack(self.cipher([upper, lower, _ZERO, _ZERO], [_ZERO] * 4))
        words = self.cipher([_ZERO] * self.key_words, self.filled([upper, lower], at_the_end=False))
        return stack(words[:self.key_words])

    def split(self, key, shape):
        return self.hashed(self.words(key, shape), iota_2x32_shape(shape), len(shape))

    def fold_in(self, key, data):
        return self.hashed(unstack(key), [_ZERO, convert(data, _UINT32)], 0)

    def random_bits(self, key, bit_width: int, shape):
        words = self.cipher(self.words(key, shape), self.filled(iota_2x32_shape(shape), at_the_end=False))
        if bit_width == 64:
            if self.key_words == 4:
                words = [bitwise_xor(words[0], words[2]), bitwise_xor(words[1], words[3])]
            upper, lower = [convert(word, _UINTS[64]) for word in words[:2]]
            return bitwise_or(shift_left(upper, np.uint64(32)), lower)
        bits = words[0]
        for word in words[1:]:
            bits = bitwise_xor(bits, word)
        return convert(bits, _UINTS[bit_width])

    def words(self, key, shape):
        """The words of a key, each as an array of ``shape``."""
        return [broadcast_to(word, shape) for word in unstack(key)]


philox2x32 = _Hash(philox_2x32, 1, 2)
philox4x32 = _Hash(philox_4x32, 2, 4)
threefry4x32 = _Hash(threefry_4x32, 4, 4)
