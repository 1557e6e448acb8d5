"""Making, splitting and looking into random keys.

A key is used once: every sampler called with the same key gives the same numbers. `split` and `fold_in` make new ones.
Typed keys (`key`) are arrays of dtype ``key<fry>``; raw keys (`PRNGKey`) are the uint32 words, which every function
here takes as well.
"""

from __future__ import annotations

import operator
import warnings

import numpy as np

from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise import add
from ferax._src.ops.joining import unstack
from ferax._src.ops.static import canonical_shape
from ferax._src.random.prng import (
    KeyDType, PRNGImpl, check_words, key_dtype_of, prngs, random_bits_p, random_clone_p, random_fold_in_p, random_seed_p,
    random_split_p, unwrap, wrap)
from ferax._src.tracing.core import Array
from ferax._src.types import dtypes
from ferax._src.types.avals import aval_of
from ferax._src.util import config
from ferax._src.util.config_options import LegacyPrngKeyState
from ferax._src.util.tracebacks import api_boundary

_UINT32 = np.dtype(np.uint32)
_default_impl = config.default_prng_impl
_custom = config.enable_custom_prng
_legacy = config.legacy_prng_key


# --- generators ---------------------------------------------------------------------------------

def default_impl() -> PRNGImpl:
    """The generator that the option ``jax_default_prng_impl`` names."""
    return _named(_default_impl.value)


def _named(name: str) -> PRNGImpl:
    found = prngs.get(name)
    if found is None:
        known = ", ".join([f'"{n}"' for n in prngs])
        raise ValueError(f'unrecognized PRNG implementation "{name}". Did you mean one of: {known}?')
    return found


def resolve_impl(spec) -> PRNGImpl:
    """A generator from a name, a key dtype or a generator; None is the default one."""
    if spec is None:
        return default_impl()
    if isinstance(spec, PRNGImpl):
        return spec
    if isinstance(spec, KeyDType):
        return spec._impl
    if isinstance(spec, str):
        return _named(spec)
    raise TypeError(f"unrecognized type {type(spec)} for specifying PRNG implementation; give its name, such as "
                    "'threefry2x32', or a key dtype.")


def _impl_given(name: str, impl, dtype) -> PRNGImpl:
    if impl is not None and dtype is not None:
        raise ValueError(f"Cannot specify both `impl` and `dtype` arguments to ferax.random.{name}")
    return resolve_impl(impl if dtype is None else dtype)


# --- making keys --------------------------------------------------------------------------------

def _make_key(name: str, impl: PRNGImpl, seed):
    if isinstance(seed, Array) and isinstance(seed.aval.dtype, KeyDType):
        raise TypeError(f"{name} accepts a scalar seed, but was given a PRNG key.")
    # A Python int is taken for one of 64 bits, of which 32 are left while x64 is off: hashes make good seeds.
    x = as_array(np.int64(seed) if isinstance(seed, int) else seed)
    if x.ndim:
        raise TypeError(f"{name} accepts a scalar seed, but was given an array of shape {x.shape} != (). Use ferax.vmap for "
                        "batching")
    if dtypes.kind_of(x.dtype) not in "iu":
        raise TypeError(f"PRNG key seed must be an integer; got {x.aval.str_short(False)}")
    offset = config.random_seed_offset.value
    if offset:
        x = add(x, convert(offset, x.dtype))
    return random_seed_p.bind(x, impl=impl)[0]


@api_boundary
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

    Raises
    ------
    TypeError : for a seed that is not an integer scalar
    OverflowError : for a Python int of more than 64 bits

    Examples
    --------
    >>> ferax.random.key(0)
    Array((), dtype=key<fry>) overlaying:
    [0 0]
    """
    return _make_key("key", _impl_given("key", impl, dtype), seed)


@api_boundary
def PRNGKey(seed, *, impl=None):
    """A raw random key: a uint32 array, of shape (2,) for threefry. With ``jax_enable_custom_prng`` a typed one.

    Examples
    --------
    >>> ferax.random.PRNGKey(0)
    Array([0, 0], dtype=uint32)
    """
    made = _make_key("PRNGKey", resolve_impl(impl), seed)
    return made if _custom.value else unwrap(made)


def key_dtype(impl_spec=None):
    """The dtype of typed keys of a generator.

    Examples
    --------
    >>> ferax.random.key_dtype()
    key<fry>
    """
    return key_dtype_of(resolve_impl(impl_spec))


# --- arguments that are keys --------------------------------------------------------------------

def typed(key, name: str) -> tuple[Array, bool]:
    """A key, or array of keys, as a typed one, and whether it was raw.

    Raises
    ------
    TypeError : if it is no key
    ValueError : for a raw one where ``jax_legacy_prng_key`` forbids them
    """
    if isinstance(key, Array):
        if type(key.aval.dtype) is KeyDType:
            return key, False
        words = key
    elif isinstance(key, (np.ndarray, np.generic)) or hasattr(key, "__jax_array__"):
        words = as_array(key)
    else:
        raise TypeError(f"{name}: unexpected PRNG key type {type(key)}; make keys with ferax.random.key")
    impl = default_impl()
    check_words(words.aval, impl)
    if _legacy.value is not LegacyPrngKeyState.ALLOW:
        _raw_key_given()
    return wrap(words, impl), True


def _raw_key_given() -> None:
    message = ("Legacy uint32 key array passed as key to a function of ferax.random. Please create keys using "
               "ferax.random.key(). If use of a raw key array was intended, set jax_legacy_prng_key=\"allow\".")
    if _legacy.value == LegacyPrngKeyState.ERROR:
        raise ValueError(message)
    if _legacy.value == LegacyPrngKeyState.WARN:
        warnings.warn(message, UserWarning, stacklevel=4)


def single(key, name: str) -> Array:
    """One typed key.

    Raises
    ------
    ValueError : for an array of keys
    """
    keys = typed(key, name)[0]
    if keys.aval.shape:
        raise ValueError(f"{name} accepts a single key, but was given a key array of shape {aval_of(key).shape} != (). "
                         "Use ferax.vmap for batching.")
    return keys


def _like(result, raw: bool):
    return unwrap(result) if raw and not _custom.value else result


# --- new keys from old ones ---------------------------------------------------------------------

@api_boundary
def split(key, num=2):
    """New keys from a key.

    Parameters
    ----------
    key : a key
    num : int or tuple of int; shape of the array of new keys

    Returns
    -------
    Array of keys of shape ``(num,)`` or ``num``, typed or raw as ``key`` is

    Examples
    --------
    >>> ferax.random.split(ferax.random.key(0), 3).shape
    (3,)
    """
    keys, raw = typed(key, "split")
    if keys.aval.shape:
        single(key, "split")
    shape = (num,) if type(num) is int else tuple(num) if isinstance(num, (tuple, list)) else (operator.index(num),)
    return _like(random_split_p.bind(keys, shape=canonical_shape(shape, "num"))[0], raw)


@api_boundary
def fold_in(key, data):
    """A new key from a key and an integer.

    Parameters
    ----------
    key : a key
    data : int or integer scalar; of an array's 64 bits the lower 32 count

    Raises
    ------
    OverflowError : for a Python int that is negative or has more than 32 bits
    TypeError : if ``data`` is not a scalar

    Examples
    --------
    >>> ferax.random.key_data(ferax.random.fold_in(ferax.random.key(0), 7)).shape
    (2,)
    """
    keys, raw = typed(key, "fold_in")
    if keys.aval.shape:
        single(key, "fold_in")
    if isinstance(data, (int, float)):
        number = int(data)
        if not 0 <= number < 2 ** 32:
            raise OverflowError(f"Python integer {number} out of bounds for uint32")
        words = np.uint32(number)
    elif isinstance(data, (np.ndarray, np.generic)) and not data.ndim and data.dtype.kind in "iub":
        words = data.astype(_UINT32)            # before 32 of 64 bits are lost
    else:
        data = as_array(data)
        if data.ndim:
            raise TypeError(f"fold_in accepts a scalar, but was given an array of shape {data.shape} != (). Use ferax.vmap "
                            "for batching.")
        words = convert(data, _UINT32)
    return _like(random_fold_in_p.bind(keys, words)[0], raw)


# --- looking into keys --------------------------------------------------------------------------

@api_boundary
def key_data(keys):
    """The uint32 words of typed keys, shape ``keys.shape + (2,)`` for threefry; raw keys as they are.

    Examples
    --------
    >>> ferax.random.key_data(ferax.random.key(5))
    Array([0, 5], dtype=uint32)
    """
    typed_keys, _ = typed(keys, "key_data")
    return unwrap(typed_keys)


@api_boundary
def wrap_key_data(key_bits_array, *, impl=None, dtype=None):
    """Typed keys from their uint32 words.

    Parameters
    ----------
    key_bits_array : uint32 array with the shape of one key's words at the end, (2,) for threefry
    impl : name of a generator; by default "threefry2x32"
    dtype : key dtype, in place of ``impl``

    Examples
    --------
    >>> ferax.random.wrap_key_data(jnp.array([0, 5], 'uint32'))
    Array((), dtype=key<fry>) overlaying:
    [0 5]
    """
    impl = _impl_given("wrap_key_data", impl, dtype)
    if not isinstance(key_bits_array, (Array, np.ndarray, np.generic)) and not hasattr(key_bits_array, "__jax_array__"):
        raise TypeError("JAX encountered invalid PRNG key data: expected key_data to have ndim, shape, and dtype attributes. "
                        f"Got {key_bits_array!r}")
    words = as_array(key_bits_array)
    check_words(words.aval, impl)
    return wrap(words, impl)


@api_boundary
def key_impl(keys):
    """The name of the generator of keys.

    Examples
    --------
    >>> ferax.random.key_impl(ferax.random.key(0))
    'threefry2x32'
    """
    typed_keys, _ = typed(keys, "key_impl")
    return typed_keys.dtype._impl.name


@api_boundary
def clone(key):
    """A copy of a key, for deliberate reuse.

    Examples
    --------
    >>> ferax.random.clone(ferax.random.key(3))
    Array((), dtype=key<fry>) overlaying:
    [0 3]
    """
    return random_clone_p.bind(key)[0]


# --- for the samplers ---------------------------------------------------------------------------

def random_bits(key, bit_width: int, shape):
    """Random unsigned integers of ``shape`` from each typed key."""
    return random_bits_p.bind(key, bit_width=bit_width, shape=shape)[0]


def fresh(key, num: int = 2) -> list:
    """New typed keys from one, as a list."""
    return unstack(random_split_p.bind(key, shape=(num,))[0])
