"""The option ``jax_debug_key_reuse``: what counts as using a key twice, in a program and from one call to the next."""

import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax, random
from ferax.errors import KeyReuseError

with ferax.debug_key_reuse(True):               # made here, so that no test pays for it
    KEYS = random.split(random.key(0), 3)


@pytest.fixture(autouse=True)
def followed():
    with ferax.debug_key_reuse(True):
        yield


def key():
    return random.key(0)


def two(k):
    first, second = random.split(k)
    return random.bits(first), random.bits(second)


def carried(s):
    s, subkey = random.split(s)
    return s, random.uniform(subkey)


bits = random.bits
uniform = random.uniform

#: Functions of three keys, and whether they use one of them twice. Here nothing is compiled or run.
PROGRAMS = {
    "a key once": (lambda a, b, c: bits(a), None),
    "a key twice": (lambda a, b, c: (bits(a), bits(a)), "In random_bits, argument 0 is already consumed at test_key_reuse.py"),
    "split after use": (lambda a, b, c: (bits(a), random.split(a)), "In random_split, argument 0"),
    "halves of a split": (lambda a, b, c: two(a), None),
    "the key that was split": (lambda a, b, c: (two(a), bits(a)), "already consumed"),
    "clone": (lambda a, b, c: (bits(a), bits(random.clone(a)), bits(random.clone(a))), None),
    "clone twice used": (lambda a, b, c: (lambda k: (bits(k), bits(k)))(random.clone(a)), "already consumed"),
    "fold_in": (lambda a, b, c: (bits(random.fold_in(a, 1)), bits(random.fold_in(a, 2)), bits(a)), None),
    "words": (lambda a, b, c: (bits(a), bits(random.wrap_key_data(random.key_data(a)))), None),
    "equality": (lambda a, b, c: (bits(a), a == b), None),
    "gamma": (lambda a, b, c: (random.gamma(a, 2.0), random.normal(a)), "already consumed"),
    "stacked": (lambda a, b, c: ferax.vmap(bits)(jnp.stack([a, b])), None),
    "stacked twice": (lambda a, b, c: jnp.stack([a, b, a]), "In stack, argument 2"),
    "after stacking": (lambda a, b, c: (jnp.stack([a, b]), bits(b)), "already consumed"),
    "chosen": (lambda a, b, c: bits(jnp.where(True, a, b)), None),
    "reshaped": (lambda a, b, c: (bits(a.reshape(1)[0]), bits(a)), "already consumed"),
    "parts": (lambda a, b, c: (lambda k: (ferax.vmap(bits)(k[:2]), ferax.vmap(bits)(k[2:])))(random.split(a, 4)), None),
    "parts that overlap": (lambda a, b, c: (lambda k: (ferax.vmap(bits)(k[:3]), ferax.vmap(bits)(k[2:])))(random.split(a, 4)),
                           "In slice, argument 0"),
    "elements": (lambda a, b, c: (lambda k: (bits(k[0]), bits(k[1])))(random.split(a)), None),
    "an element twice": (lambda a, b, c: (lambda k: (bits(k[1]), bits(k[1])))(random.split(a)), "already consumed"),
    "at a computed place": (lambda a, b, c: (lambda k, i: (bits(k[i]), bits(k[i])))(random.split(a), jnp.int32(1)), "already consumed"),
    "set": (lambda a, b, c: (random.split(a).at[0].set(b), bits(b)), "already consumed"),
    "jit": (lambda a, b, c: ferax.jit(lambda k: (bits(k), bits(k)))(a), "already consumed"),
    "jit twice": (lambda a, b, c: (ferax.jit(bits)(a), ferax.jit(bits)(a)), "In jit, argument 0"),
    "checkpoint": (lambda a, b, c: ferax.grad(ferax.checkpoint(lambda x, k: x * x * uniform(k)))(1.0, a), None),
    "custom_jvp": (lambda a, b, c: (CUSTOM(1.0, a), bits(a)), "already consumed"),
    "branches": (lambda a, b, c: lax.cond(True, bits, bits, a), None),
    "a branch and after": (lambda a, b, c: (lax.cond(True, bits, lambda k: jnp.uint32(0), a), bits(a)), "already consumed"),
    "scan over keys": (lambda a, b, c: lax.scan(lambda n, k: (n, bits(k)), 0, random.split(a, 3)), None),
    "scan with the key as a carry": (lambda a, b, c: lax.scan(lambda k, _: carried(k), a, length=3), None),
    "scan with a carry used up": (lambda a, b, c: lax.scan(lambda k, _: (k, uniform(k)), a, length=3), "when repeatedly executed"),
    "scan with a constant": (lambda a, b, c: lax.scan(lambda x, _: (x + uniform(a), None), 0.0, length=3),
                             "scan body function leads to key reuse"),
    "while": (lambda a, b, c: lax.while_loop(lambda s: s[0] < 2, lambda s: (s[0] + 1, random.split(s[1])[0]), (0, a)), None),
    "while with a constant": (lambda a, b, c: lax.while_loop(lambda x: x < 2, lambda x: x + uniform(a), 0.0),
                              "while_loop body function leads to key reuse"),
    "while with a constant in its condition": (lambda a, b, c: lax.while_loop(lambda x: uniform(a) < x, lambda x: x / 2, 1.0),
                                               "while_loop cond function leads to key reuse"),
    "while with one key for both": (lambda a, b, c: lax.while_loop(lambda k: uniform(k) < 0.5, lambda k: random.split(k)[0], a),
                                    "both use the same key"),
    "while and after": (lambda a, b, c: (lax.while_loop(lambda s: s[0] < 2, lambda s: (s[0] + 1, random.split(s[1])[0]), (0, a)), bits(a)),
                        "already consumed"),
    "fori_loop": (lambda a, b, c: lax.fori_loop(0, 3, lambda i, x: x + uniform(random.fold_in(a, i)), 0.0), None),
}


@ferax.custom_jvp
def CUSTOM(x, k):
    return x * uniform(k)


CUSTOM.defjvp(lambda primals, tangents: (CUSTOM(*primals), tangents[0]))


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name):
    fun, message = PROGRAMS[name]
    if message is None:
        ferax.jit(fun).trace(*KEYS_EACH)
    else:
        with pytest.raises(KeyReuseError, match=message):
            ferax.jit(fun).trace(*KEYS_EACH)


KEYS_EACH = [ferax.ShapeDtypeStruct((), KEYS.dtype)] * 3

SAMPLERS = dict(
    uniform=(), normal=((), "complex64"), gumbel=((), None, "high"), gamma=(2.0,), loggamma=(2.0,), beta=(2.0, 1.0), t=(2.0,), f=(2.0, 3.0),
    chisquare=(3.0,), ball=(2,), generalized_normal=(2.0,), dirichlet=(jnp.ones(3),), poisson=(3.0,), binomial=(5.0, 0.3),
    multinomial=(5.0, jnp.array([0.5, 0.5])), permutation=(5,), choice=(5, (2,)), randint=((2,), 0, 5), categorical=(jnp.zeros(3),),
    bernoulli=(0.5,), rademacher=(), wald=(1.0,), double_sided_maxwell=(0.0, 1.0), orthogonal=(2,), truncated_normal=(-1.0, 1.0),
    multivariate_normal=(jnp.zeros(2), jnp.eye(2)), weibull_min=(1.0, 2.0))


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_use_their_key_once(name):
    draw = getattr(random, name)
    ferax.jit(lambda k: draw(k, *SAMPLERS[name])).trace(KEYS_EACH[0])
    with pytest.raises(KeyReuseError):
        ferax.jit(lambda k: (draw(k, *SAMPLERS[name]), draw(k, *SAMPLERS[name]))).trace(KEYS_EACH[0])


def used_up(call):
    with pytest.raises(KeyReuseError, match="Previously-consumed key passed to"):
        call()


def test_from_call_to_call():
    k = key()
    bits(k)
    used_up(lambda: bits(k))
    used_up(lambda: random.split(k))
    copy = random.clone(k)
    bits(copy)
    used_up(lambda: bits(copy))
    bits(key())                                 # as many keys of one seed as are made
    raw = random.PRNGKey(0)
    assert bits(raw) == bits(raw)               # words are not followed


def test_elements_of_an_array():
    keys = random.split(key(), 4)
    bits(keys[0])
    bits(keys[1])
    used_up(lambda: bits(keys[0]))
    part = keys[2:]
    used_up(lambda: keys[1:3])
    for k in part:
        bits(k)


def test_programs_remember():
    fun = ferax.jit(lambda k: (k, bits(k)))
    k = key()
    same, _ = fun(k)
    used_up(lambda: fun(k))
    used_up(lambda: bits(same))
    fresh = key()
    passed = ferax.jit(lambda k: k)(fresh)
    bits(passed)
    with ferax.debug_key_reuse(False):
        bits(passed)


def test_constants_of_a_program():
    k = key()
    fun = ferax.jit(lambda x: x + uniform(k))
    fun(1.0)
    used_up(lambda: fun(1.0))
    used_up(lambda: bits(k))


def test_under_vmap_and_grad():
    keys = random.split(key())
    used_up(lambda: ferax.vmap(lambda k: (bits(k), bits(k)))(keys))
    k = key()
    slope = ferax.grad(lambda x: x * uniform(k))
    slope(1.0)
    used_up(lambda: slope(1.0))
