"""Random keys as arrays: their dtypes, and the primitives that make and use them.

A typed key is an element of an array of dtype ``key<fry>``; physically it is two uint32 words. What a generator
can do is a `PRNGImpl`: four functions on one key's words. The primitives here map them over arrays of keys, so that
keys batch, slice and scan like any other array, and nothing but these primitives can look inside a key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ferax._src.ops import threefry
from ferax._src.ops.axes import place_axis
from ferax._src.ops.shape import reshape
from ferax._src.random import generators
from ferax._src.runtime.array import ArrayImpl, Signature, signature
from ferax._src.runtime.lowering import lower_as
from ferax._src.tracing.core import MappedAxis, Primitive, Zero, eval_trace, register, state
from ferax._src.transforms import extended  # noqa: F401  how keys are reshaped, sliced, selected, ...
from ferax._src.transforms.batch import batch_flat
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.util import config

_debug_key_reuse = config.debug_key_reuse
_UINT32 = np.dtype(np.uint32)
_UINT = {8: np.dtype(np.uint8), 16: np.dtype(np.uint16), 32: _UINT32, 64: np.dtype(np.uint64)}


class PRNGImpl(NamedTuple):
    """A random number generator.

    key_shape : shape of one key's uint32 words
    seed : integer scalar -> words
    split : words, shape -> words of shape ``(*shape, *key_shape)``
    random_bits : words, bit width, shape -> unsigned integers of that width and shape
    fold_in : words, uint32 scalar -> words
    """

    key_shape: tuple[int, ...]
    seed: Callable
    split: Callable
    random_bits: Callable
    fold_in: Callable
    name: str
    tag: str

    def __hash__(self) -> int:
        return hash(self.tag)

    def __eq__(self, other) -> bool:
        return isinstance(other, PRNGImpl) and self.tag == other.tag

    def __str__(self) -> str:
        return self.tag

    __repr__ = __str__


class KeyDType(dtypes.ExtendedDType):
    """The dtype of keys of one generator: ``key<fry>``."""

    __slots__ = ("_impl", "name", "element_shape")

    type = dtypes.prng_key
    element_dtype = _UINT32

    def __init__(self, impl: PRNGImpl):
        self._impl = impl
        self.name = f"key<{impl.tag}>"
        self.element_shape = impl.key_shape

    def __reduce__(self):
        return key_dtype_named, (self._impl.name,)


def _impl(words: int, module, name: str, tag: str, seed="seed", split="split", bits="random_bits", fold_in="fold_in") -> PRNGImpl:
    """A generator of keys of so many words, its functions attributes of ``module``."""
    functions = [getattr(module, function) for function in (seed, split, bits, fold_in)]
    return PRNGImpl((words,), *functions, name, tag)  # type: ignore[call-arg]  # mypy counts __repr__ as a field


threefry_impl = _impl(2, threefry, "threefry2x32", "fry", "threefry_seed", "threefry_split", "threefry_random_bits",
                      "threefry_fold_in")

#: Generators by name; `register_prng` adds to them.
prngs: dict[str, PRNGImpl] = {}
_dtypes: dict[PRNGImpl, KeyDType] = {}


def register_prng(impl: PRNGImpl) -> None:
    """Make a generator known by its name.

    Raises
    ------
    ValueError : if another one has that name
    """
    if impl.name in prngs:
        raise ValueError(f"PRNG with name {impl.name!r} already registered: {prngs[impl.name]!r}")
    prngs[impl.name] = impl


register_prng(threefry_impl)
register_prng(_impl(4, generators, "rbg", "rbg", "rbg_seed", "rbg_split", "rbg_random_bits", "rbg_fold_in"))
register_prng(_impl(4, generators, "unsafe_rbg", "urbg", "rbg_seed", "unsafe_rbg_split", "rbg_random_bits", "unsafe_rbg_fold_in"))
register_prng(_impl(1, generators.philox2x32, "philox2x32", "phx2"))
register_prng(_impl(2, generators.philox4x32, "philox4x32", "phx4"))
register_prng(_impl(4, generators.threefry4x32, "threefry4x32", "fry4"))


def key_dtype_of(impl: PRNGImpl) -> KeyDType:
    """The one dtype of keys of a generator."""
    found = _dtypes.get(impl)
    if found is None:
        found = _dtypes[impl] = KeyDType(impl)
    return found


def key_dtype_named(name: str) -> KeyDType:
    return key_dtype_of(prngs[name])


# --- mapping a generator's functions over arrays of keys ------------------------------------------

def map_over(fun, n: int, *operands):
    """Map a function of single elements over the first ``n`` axes of its operands, which have them in common.

    Operands after the first may have size 1 where that has more: then they are not mapped along that axis. Answers one
    array with those axes first.
    """
    if n == 0:
        return fun(*operands)
    lead = aval_of(operands[0]).shape[:n]
    if any([aval_of(x).shape[:n] != lead for x in operands]):
        return _map_over_first(lambda *xs: map_over(fun, n - 1, *xs), lead[0], operands)
    size = int(np.prod(lead, dtype=np.int64))
    flat = [reshape(x, (size, *aval_of(x).shape[n:])) for x in operands]
    (out,), (dim,) = batch_flat(lambda *xs: [fun(*xs)], flat, [0] * len(flat), MappedAxis(size))
    out = place_axis(out, dim, size, 0)
    return reshape(out, (*lead, *aval_of(out).shape[1:]))


def _map_over_first(fun, size: int, operands):
    shapes = [aval_of(x).shape for x in operands]
    mapped = [i == 0 or shape[0] == size for i, shape in enumerate(shapes)]
    values = [x if own else reshape(x, shape[1:]) for x, own, shape in zip(operands, mapped, shapes)]
    (out,), (dim,) = batch_flat(lambda *xs: [fun(*xs)], values, [0 if own else None for own in mapped], MappedAxis(size))
    return place_axis(out, dim, size, 0)


class KeyPrimitive(Primitive):
    """Base of the primitives on keys: not differentiable, batched by their own leading axes."""

    handles_extended_dtypes = True

    def jvp(self, primals, tangents, **params):
        outs = self.bind(*primals, **params)
        return outs, [Zero.of(out) for out in outs]

    def batch(self, axis, args, dims, **params):
        placed = [place_axis(x, d, axis.size, 0) for x, d in zip(args, dims)]
        return self.bind(*placed, **params), [0]


def _check_keys(name: str, aval) -> KeyDType:
    if not isinstance(aval.dtype, KeyDType):
        raise TypeError(f"{name} requires an array of random keys, got {aval.str_short()}. "
                        "Make one with ferax.random.key, or wrap raw words with ferax.random.wrap_key_data.")
    return aval.dtype


class RandomSeed(KeyPrimitive):
    """Keys from integer seeds."""

    name = "random_seed"

    def abstract_eval(self, seeds, *, impl):
        return [ShapedArray(seeds.shape, key_dtype_of(impl))]

    lower = lower_as(lambda seeds, *, impl: _wrap(map_over(impl.seed, seeds.ndim, seeds), impl))


def check_words(words: ShapedArray, impl: PRNGImpl) -> None:
    """Raise a TypeError unless arrays of this type are the words of keys."""
    n, wanted = len(impl.key_shape), impl.key_shape
    invalid = "JAX encountered invalid PRNG key data: expected key_data"
    if words.ndim < 1:
        raise TypeError(f"{invalid}.ndim >= 1; got ndim={words.ndim}")
    if words.shape[-n:] != wanted:
        raise TypeError(f"{invalid}.shape to end with {wanted}; got shape={words.shape} for keys of {impl.name}")
    if words.dtype != _UINT32:
        raise TypeError(f"{invalid}.dtype = uint32; got dtype={dtypes.dtype_name(words.dtype)}")


class RandomWrap(KeyPrimitive):
    """Keys from their words."""

    name = "random_wrap"

    def abstract_eval(self, words, *, impl):
        check_words(words, impl)
        return [ShapedArray(words.shape[:words.ndim - len(impl.key_shape)], key_dtype_of(impl))]

    def lower(self, ctx, words, *, impl):
        return [words]


class RandomUnwrap(KeyPrimitive):
    """The words of keys."""

    name = "random_unwrap"

    def abstract_eval(self, keys):
        dtype = _check_keys("random_unwrap", keys)
        return [ShapedArray((*keys.shape, *dtype.element_shape), _UINT32)]

    def lower(self, ctx, words):
        return [words]


class RandomSplit(KeyPrimitive):
    """New keys from each key, of the given shape."""

    name = "random_split"

    def abstract_eval(self, keys, *, shape):
        return [ShapedArray((*keys.shape, *shape), _check_keys("random_split", keys))]

    lower = lower_as(lambda keys, *, shape: _wrap(_map(keys, lambda impl, key: impl.split(key, shape)), keys.dtype._impl))


class RandomFoldIn(KeyPrimitive):
    """A new key from each key and an integer; one that several keys share has size 1 along their axis."""

    name = "random_fold_in"

    def abstract_eval(self, keys, data):
        dtype = _check_keys("random_fold_in", keys)
        if keys.ndim != data.ndim or any([m not in (1, n) for n, m in zip(keys.shape, data.shape)]):
            raise TypeError(f"random_fold_in requires keys and integers of the same shape, got {keys.shape} and {data.shape}")
        return [ShapedArray(keys.shape, dtype)]

    def batch(self, axis, args, dims):
        (keys, data), (d_keys, d_data) = args, dims
        return self.bind(place_axis(keys, d_keys, axis.size, 0), place_axis(data, d_data, 1, 0)), [0]

    lower = lower_as(lambda keys, data: _wrap(
        _map(keys, lambda impl, key, number: impl.fold_in(key, number), data), keys.dtype._impl))


class RandomBits(KeyPrimitive):
    """Random unsigned integers of ``bit_width`` bits, an array of the given shape for each key."""

    name = "random_bits"

    def abstract_eval(self, keys, *, bit_width, shape):
        _check_keys("random_bits", keys)
        return [ShapedArray((*keys.shape, *shape), _UINT[bit_width])]

    lower = lower_as(lambda keys, *, bit_width, shape: _map(
        keys, lambda impl, key: impl.random_bits(key, bit_width, shape)))


def _map(keys, fun, *operands):
    """``fun(impl, words, *elements)`` for each key."""
    impl = keys.dtype._impl
    return map_over(lambda *xs: fun(impl, *xs), keys.ndim, random_unwrap_p.bind(keys)[0], *operands)


def _wrap(words, impl: PRNGImpl):
    return random_wrap_p.bind(words, impl=impl)[0]


class RandomClone(KeyPrimitive):
    """The same keys, for use once more."""

    name = "random_clone"

    def abstract_eval(self, keys):
        return [keys]

    def lower(self, ctx, keys):
        return [keys]

    def batch(self, axis, args, dims):
        return self.bind(*args), list(dims)


random_seed_p = register(RandomSeed())
random_wrap_p = register(RandomWrap())
random_unwrap_p = register(RandomUnwrap())
random_split_p = register(RandomSplit())
random_fold_in_p = register(RandomFoldIn())
random_bits_p = register(RandomBits())
random_clone_p = register(RandomClone())


# --- words and keys ------------------------------------------------------------------------------

# A key array and the array of its words are one buffer under two types, so that in eager use going from one to the
# other is a matter of the signature.
_as_keys: dict[tuple[Signature, PRNGImpl], Signature] = {}
_as_words: dict[Signature, Signature] = {}


def wrap(words, impl: PRNGImpl):
    """Typed keys from an array of words."""
    # Where key reuse is looked for, keys of the same words are told apart by their buffers.
    if type(words) is ArrayImpl and state.trace is eval_trace and not _debug_key_reuse.value:
        sig = _as_keys.get((words._sig, impl))
        if sig is not None:
            return ArrayImpl(words._buf, sig)
        if words._sig.single:
            (aval,) = random_wrap_p.abstract_eval(words.aval, impl=impl)
            sig = _as_keys[words._sig, impl] = signature(aval, words._sig.sharding, words._sig.committed)
            return ArrayImpl(words._buf, sig)
    return random_wrap_p.bind(words, impl=impl)[0]


def unwrap(keys):
    """The words of typed keys."""
    if type(keys) is ArrayImpl and state.trace is eval_trace:
        sig = _as_words.get(keys._sig)
        if sig is not None:
            return ArrayImpl(keys._buf, sig)
        if keys._sig.single:
            sig = signature(keys._sig.physical, keys._sig.sharding, keys._sig.committed)
            _as_words[keys._sig] = sig
            return ArrayImpl(keys._buf, sig)
    return random_unwrap_p.bind(keys)[0]
