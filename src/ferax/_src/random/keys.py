"""Making, splitting and looking into random keys.

A key is used once: every sampler called with the same key gives the same numbers. `split` and `fold_in` make new ones.
Typed keys (`key`) are arrays of dtype ``key<fry>``; raw keys (`PRNGKey`) are the uint32 words, which every function
here takes as well.
"""

from __future__ import annotations

import operator

import numpy as np

from ferax._src.ops.convert import as_array, convert_element_type
from ferax._src.ops.shape import reshape
from ferax._src.random.prng import (
    KeyDType, PRNGImpl, key_dtype_of, prngs, random_bits_p, random_fold_in_p, random_seed_p, random_split_p, random_unwrap_p,
    random_wrap_p)
from ferax._src.tracing.core import Array
from ferax._src.types import dtypes
from ferax._src.types.avals import aval_of
from ferax._src.util import config


def default_impl() -> PRNGImpl:
    """The generator that the option ``jax_default_prng_impl`` names."""
    return prngs[config.default_prng_impl.value]


def resolve_impl(spec) -> PRNGImpl:
    """A generator from a name, a key dtype or a generator; None is the default one."""
    if spec is None:
        return default_impl()
    if isinstance(spec, PRNGImpl):
        return spec
    if isinstance(spec, KeyDType):
        return spec._impl
    if isinstance(spec, str):
        if spec in prngs:
            return prngs[spec]
        raise ValueError(f"unrecognized PRNG implementation {spec!r}. Did you mean one of: {', '.join(map(repr, prngs))}?")
    raise TypeError(f"unrecognized type for PRNG implementation: {type(spec).__name__}; give its name, such as 'threefry2x32'")


def _seed_array(seed):
    """A seed as an integer array; Python ints wrap around in 64 bits."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        seed = as_array(seed)
        if isinstance(seed.dtype, KeyDType):
            raise TypeError("PRNG key seed must be an integer, got a key. Use split or fold_in to make new keys from one.")
        if dtypes.kind_of(seed.dtype) not in "iu":
            raise TypeError(f"PRNG key seed must be an integer; got {dtypes.dtype_name(seed.dtype)}")
        return seed
    value = operator.index(seed) + config.random_seed_offset.value
    if config.enable_x64.value:
        return as_array(np.int64((value + 2**63) % 2**64 - 2**63))
    if not -2**63 <= value < 2**63:
        raise OverflowError(f"PRNG key seed {value} does not fit in 64 bits")
    return as_array(np.uint32(value % 2**32).view(np.int32))


def _make_key(name: str, impl: PRNGImpl, seed):
    x = _seed_array(seed)
    if x.ndim:
        raise TypeError(f"{name} accepts a scalar seed, but was given an array of shape {x.shape} != (). "
                        "Use ferax.vmap for batching")
    return random_seed_p.bind(x, impl=impl)[0]


def _impl_given(name, impl, dtype):
    if impl is not None and dtype is not None:
        raise TypeError(f"{name}: give impl or dtype, not both")
    if dtype is not None:
        if not isinstance(dtype, KeyDType):
            raise TypeError(f"{name}: dtype must be that of keys, got {dtype!r}")
        return dtype._impl
    return resolve_impl(impl)


def key(seed, *, impl=None, dtype=None):
    """A typed random key.

    Parameters
    ----------
    seed : int, or integer scalar array
    impl : name of a generator; by default "threefry2x32"
    dtype : key dtype, in place of ``impl``

    Returns
    -------
    Array of shape () and dtype ``key<fry>``
    """
    return _make_key("key", _impl_given("key", impl, dtype), seed)


def PRNGKey(seed, *, impl=None):
    """A raw random key: a uint32 array, of shape (2,) for threefry. With ``jax_enable_custom_prng`` a typed one."""
    made = _make_key("PRNGKey", resolve_impl(impl), seed)
    return made if config.enable_custom_prng.value else random_unwrap_p.bind(made)[0]


def key_dtype(impl_spec=None):
    """The dtype of typed keys of a generator."""
    return key_dtype_of(resolve_impl(impl_spec))


def typed(key, name: str) -> tuple[Array, bool]:
    """A key as a typed one, and whether it was raw.

    Raises
    ------
    TypeError, ValueError : if it is no key
    """
    if isinstance(key, Array) and isinstance(key.dtype, KeyDType):
        return key, False
    try:
        aval = aval_of(key)
    except TypeError:
        raise TypeError(f"{name}: unexpected PRNG key type {type(key).__name__}; make keys with ferax.random.key") from None
    impl = default_impl()
    n = len(impl.key_shape)
    if aval.dtype != np.uint32 or aval.ndim < n or aval.shape[aval.ndim - n:] != impl.key_shape:
        raise TypeError(f"{name}: a random key is needed, from ferax.random.key or PRNGKey (uint32 with trailing dimensions "
                        f"{impl.key_shape}); got {aval.str_short(short_dtypes=False)}")
    return random_wrap_p.bind(as_array(key), impl=impl)[0], True


def single(key, name: str) -> Array:
    """One typed key.

    Raises
    ------
    ValueError : for an array of keys
    """
    typed_key, raw = typed(key, name)
    if typed_key.ndim:
        shape = typed_key.shape if not raw else aval_of(key).shape
        raise ValueError(f"{name} accepts a single key, but was given a key array of shape {shape} != (). "
                         "Use ferax.vmap for batching.")
    return typed_key


def _like(result, raw: bool):
    return random_unwrap_p.bind(result)[0] if raw else result


def split(key, num=2):
    """New keys from a key.

    Parameters
    ----------
    key : a key
    num : int or tuple of int; shape of the array of new keys

    Returns
    -------
    Array of keys of shape ``(num,)`` or ``num``, typed or raw as ``key`` is
    """
    _, raw = typed_key = typed(key, "split")
    shape = tuple(map(operator.index, num)) if isinstance(num, (tuple, list)) else (operator.index(num),)
    if typed_key[0].ndim:
        single(key, "split")
    return _like(random_split_p.bind(typed_key[0], shape=shape)[0], raw)


def fold_in(key, data):
    """A new key from a key and an integer.

    Parameters
    ----------
    key : a key
    data : int or integer scalar; its lower 32 bits count
    """
    typed_key, raw = typed(key, "fold_in")
    if typed_key.ndim:
        single(key, "fold_in")
    if isinstance(data, (int, np.integer)) and not isinstance(data, bool):
        number = as_array(np.uint32(operator.index(data) % 2**32))
    else:
        number = as_array(data)
        if number.ndim:
            raise TypeError(f"fold_in accepts a scalar, but was given an array of shape {number.shape} != (). "
                            "Use ferax.vmap for batching.")
        number = convert_element_type(number, np.uint32)
    return _like(random_fold_in_p.bind(typed_key, number)[0], raw)


def key_data(keys):
    """The uint32 words of typed keys, shape ``keys.shape + (2,)`` for threefry; raw keys as they are."""
    typed_keys, raw = typed(keys, "key_data")
    return keys if raw else random_unwrap_p.bind(typed_keys)[0]


def wrap_key_data(key_bits_array, *, impl=None, dtype=None):
    """Typed keys from their uint32 words."""
    return random_wrap_p.bind(as_array(key_bits_array), impl=_impl_given("wrap_key_data", impl, dtype))[0]


def key_impl(keys):
    """The name of the generator of keys."""
    typed_keys, _ = typed(keys, "key_impl")
    return typed_keys.dtype._impl.name


def clone(key):
    """A copy of a key, for deliberate reuse."""
    typed_key, raw = typed(key, "clone")
    return _like(reshape(typed_key, typed_key.shape), raw)


def random_bits(key, bit_width: int, shape):
    """Random unsigned integers from one typed key."""
    return random_bits_p.bind(key, bit_width=bit_width, shape=tuple(shape))[0]
