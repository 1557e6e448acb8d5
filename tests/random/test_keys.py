"""Keys: as arrays, under transformations, and what is refused."""

import pickle

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax import lax, random

KEY = random.key(17)
RAW = random.PRNGKey(17)


def same(x, y) -> bool:
    """Whether two key arrays, typed or raw, are equal."""
    return x.shape == y.shape and x.dtype == y.dtype and bool(np.array_equal(random.key_data(x), random.key_data(y)))


# --- key arrays as arrays ------------------------------------------------------------------------

def test_dtype():
    assert KEY.shape == () and KEY.ndim == 0 and KEY.size == 1 and KEY.itemsize == KEY.nbytes == 8
    assert str(KEY.dtype) == KEY.dtype.name == "key<fry>"
    assert KEY.dtype == random.key_dtype() == random.key_dtype("threefry2x32") == random.split(KEY).dtype
    assert ferax.dtypes.issubdtype(KEY.dtype, ferax.dtypes.prng_key)
    assert ferax.dtypes.issubdtype(KEY.dtype, ferax.dtypes.extended)
    assert not ferax.dtypes.issubdtype(KEY.dtype, np.integer)
    assert not ferax.dtypes.issubdtype(RAW.dtype, ferax.dtypes.prng_key)
    assert pickle.loads(pickle.dumps(KEY.dtype)) is KEY.dtype


def test_printing():
    assert repr(random.key(5)) == str(random.key(5)) == "Array((), dtype=key<fry>) overlaying:\n[0 5]"
    assert repr(random.wrap_key_data(np.arange(4, dtype=np.uint32).reshape(2, 2))) == (
        "Array((2,), dtype=key<fry>) overlaying:\n[[0 1]\n [2 3]]")


def test_making():
    assert same(random.key(3, impl="threefry2x32"), random.key(3))
    assert same(random.key(3, dtype=KEY.dtype), random.key(3))
    assert same(random.key(3, dtype="threefry2x32"), random.key(3))
    assert random.PRNGKey(3).dtype == np.uint32 and random.PRNGKey(3).shape == (2,)
    assert random.key_impl(KEY) == random.key_impl(RAW) == "threefry2x32"
    assert same(random.wrap_key_data(random.key_data(KEY)), KEY)
    assert same(random.wrap_key_data(np.asarray(RAW)), KEY)
    assert random.key_data(RAW).dtype == np.uint32 and same(random.key_data(KEY), RAW)
    assert same(random.clone(KEY), KEY) and same(random.clone(RAW), RAW)


def test_options():
    with option("jax_enable_custom_prng", True):
        assert random.PRNGKey(3).dtype == KEY.dtype
    with option("jax_random_seed_offset", 5):
        assert same(random.key(3), random.wrap_key_data(np.array([0, 8], np.uint32)))
    with option("jax_legacy_prng_key", "error"), pytest.raises(ValueError, match="create keys using"):
        random.normal(RAW)
    with option("jax_legacy_prng_key", "warn"), pytest.warns(UserWarning, match="create keys using"):
        random.normal(RAW)


class option:
    """Set an option inside a with block."""

    def __init__(self, name, value):
        self.name, self.value = name, value

    def __enter__(self):
        self.before = getattr(ferax.config, self.name)
        ferax.config.update(self.name, self.value)

    def __exit__(self, *exc):
        ferax.config.update(self.name, self.before)


def test_raw_and_typed_keys_mean_the_same():
    assert np.array_equal(random.normal(KEY, (3,)), random.normal(RAW, (3,)))
    assert np.array_equal(random.normal(KEY, (3,)), random.normal(np.asarray(RAW), (3,)))
    assert same(random.split(RAW, 3), random.key_data(random.split(KEY, 3)))
    assert same(random.fold_in(RAW, 3), random.key_data(random.fold_in(KEY, 3)))


def test_moving_elements():
    keys = random.split(KEY, (2, 3))
    data = np.asarray(random.key_data(keys))

    def check(found, expected):
        assert found.dtype == keys.dtype and np.array_equal(random.key_data(found), expected)

    check(keys[1], data[1])
    check(keys[1, 2], data[1, 2])
    check(keys[:, ::2], data[:, ::2])
    check(keys[-1, None, ::-1], data[-1, None, ::-1])
    check(keys[:, jnp.array([2, 0])], data[:, [2, 0]])
    check(keys[jnp.int32(1)], data[1])
    check(keys.reshape(3, 2), data.reshape(3, 2, 2))
    check(keys.reshape(-1), data.reshape(-1, 2))
    check(keys.flatten(), data.reshape(-1, 2))
    check(keys.ravel(), data.reshape(-1, 2))
    check(keys.T, data.transpose(1, 0, 2))
    check(jnp.swapaxes(keys, 0, 1), data.transpose(1, 0, 2))
    check(keys[:1].squeeze(0), data[0])
    check(jnp.expand_dims(keys, 1), data[:, None])
    check(jnp.stack([keys, keys], 1), np.stack([data, data], 1))
    check(jnp.concatenate([keys, keys[:1]]), np.concatenate([data, data[:1]]))
    check(jnp.broadcast_to(keys[0, 0], (4,)), np.broadcast_to(data[0, 0], (4, 2)))
    check(jnp.where(jnp.array([True, False, True]), keys[0], keys[1]),
          np.where(np.array([True, False, True])[:, None], data[0], data[1]))
    check(jnp.take(keys, jnp.array([1, 0]), axis=0), data[[1, 0]])
    check(jnp.tile(keys[0], 2), np.tile(data[0], (2, 1)))
    check(jnp.repeat(keys[0], 2), np.repeat(data[0], 2, 0))
    check(keys.at[0, 1].set(KEY), _with(data, (0, 1), random.key_data(KEY)))
    check(jnp.array([KEY, KEY]), np.stack([random.key_data(KEY)] * 2))
    check(lax.dynamic_index_in_dim(keys, 1, keepdims=False), data[1])
    check(lax.select(jnp.array(True), keys[0], keys[1]), data[0])
    check(keys.copy(), data)
    assert len(keys) == 2
    for found, expected in zip(keys[0], data[0], strict=True):
        check(found, expected)


def _with(data, index, value):
    data = data.copy()
    data[index] = value
    return data


def test_comparing():
    keys = random.split(KEY, 3)
    assert bool(KEY == KEY) and not bool(KEY != KEY) and (keys == keys).tolist() == [True] * 3
    assert (keys == keys[1]).tolist() == [False, True, False]
    assert (KEY != keys).dtype == bool


def test_no_numbers_in_keys():
    for wrong in (lambda: np.asarray(KEY), lambda: bool(KEY), lambda: KEY.item(), lambda: len(KEY), lambda: list(KEY),
                  lambda: KEY < KEY, lambda: -KEY, lambda: jnp.sum(random.split(KEY)), lambda: jnp.sort(random.split(KEY))):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises((TypeError, ValueError)):
        KEY + 1


def test_moving_to_devices_and_pickling():
    assert same(pickle.loads(pickle.dumps(KEY)), KEY)
    device = ferax.devices()[-1]
    there = ferax.device_put(random.split(KEY), device)
    assert there.devices() == {device} and same(there, random.split(KEY))
    assert np.array_equal(random.normal(there[0]), random.normal(random.split(KEY)[0]))
    assert same(ferax.device_get(KEY), KEY) and same(ferax.block_until_ready(KEY), KEY)


# --- under transformations ----------------------------------------------------------------------

def test_jit():
    keys = ferax.jit(random.split)(KEY)
    assert same(keys, random.split(KEY))
    assert same(ferax.jit(random.split)(RAW), random.split(RAW))
    assert same(ferax.jit(lambda k: k[1])(keys), keys[1])
    assert same(ferax.jit(lambda s: random.key(s))(7), random.key(7))
    assert same(ferax.jit(lambda: KEY)(), KEY)
    assert same(ferax.jit(random.fold_in)(KEY, 7), random.fold_in(KEY, 7))
    assert same(ferax.jit(lambda a, b: jnp.where(True, a, b))(keys, keys[::-1]), keys)
    assert np.array_equal(ferax.jit(lambda: random.normal(KEY, (3,)))(), random.normal(KEY, (3,)))
    assert np.array_equal(ferax.jit(random.uniform, static_argnums=1)(KEY, (3,)), random.uniform(KEY, (3,)))


def test_vmap():
    keys = random.split(KEY, 3)
    each = [random.normal(k, (2,)) for k in keys]
    assert np.array_equal(ferax.vmap(lambda k: random.normal(k, (2,)))(keys), np.stack(each))
    assert np.array_equal(ferax.vmap(lambda k: random.normal(k, (2,)))(random.key_data(keys)), np.stack(each))
    assert np.array_equal(ferax.vmap(lambda k: random.normal(k, (2,)), out_axes=1)(keys), np.stack(each, 1))
    assert same(ferax.vmap(random.split)(keys), jnp.stack([random.split(k) for k in keys]))
    assert same(ferax.vmap(lambda k: random.split(k[0]), in_axes=1)(keys.reshape(1, 3)),
                jnp.stack([random.split(k) for k in keys]))
    assert same(ferax.vmap(random.fold_in, in_axes=(None, 0))(KEY, jnp.arange(3)),
                jnp.stack([random.fold_in(KEY, i) for i in range(3)]))
    assert same(ferax.vmap(random.fold_in)(keys, jnp.arange(3)),
                jnp.stack([random.fold_in(k, i) for i, k in enumerate(keys)]))
    assert same(ferax.vmap(random.key)(jnp.arange(3)), jnp.stack([random.key(i) for i in range(3)]))
    scales = jnp.array([1.0, 2.0, 3.0])
    drawn = ferax.vmap(lambda k, b: random.pareto(k, b, (2,)))(keys, scales)
    assert np.allclose(drawn, np.stack([random.pareto(k, b, (2,)) for k, b in zip(keys, scales)]))
    twice = ferax.vmap(ferax.vmap(lambda k: random.uniform(k)))(random.split(KEY, (2, 3)))
    assert np.array_equal(twice, [[random.uniform(k) for k in row] for row in random.split(KEY, (2, 3))])
    assert np.allclose(ferax.vmap(lambda k: random.gamma(k, 2.0))(keys), [random.gamma(k, 2.0) for k in keys])


def test_scan_and_while():
    def step(key, _):
        key, subkey = random.split(key)
        return key, random.uniform(subkey)

    last, drawn = lax.scan(step, KEY, length=4)
    key, expected = KEY, []
    for _ in range(4):
        key, x = step(key, None)
        expected.append(x)
    assert same(last, key) and np.array_equal(drawn, expected)
    _, ys = lax.scan(lambda c, k: (c, random.uniform(k)), 0, random.split(KEY, 3))
    assert np.array_equal(ys, [random.uniform(k) for k in random.split(KEY, 3)])
    assert same(lax.scan(lambda c, i: (c, random.fold_in(KEY, i)), 0, jnp.arange(3))[1],
                jnp.stack([random.fold_in(KEY, i) for i in range(3)]))
    assert same(lax.fori_loop(0, 3, lambda i, k: random.fold_in(k, i), KEY),
                random.fold_in(random.fold_in(random.fold_in(KEY, 0), 1), 2))
    assert same(lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, random.split(s[1])[0]), (0, KEY))[1],
                random.split(random.split(random.split(KEY)[0])[0])[0])
    assert same(lax.cond(True, lambda k: random.split(k)[0], lambda k: k, KEY), random.split(KEY)[0])


def test_derivatives():
    noise = random.normal(KEY, (3,))
    assert np.allclose(ferax.grad(lambda s: (s * random.normal(KEY, (3,))).sum())(2.0), noise.sum())
    assert np.allclose(ferax.jit(ferax.grad(lambda s, k: (s * random.normal(k, (3,))).sum()))(2.0, KEY), noise.sum())
    u = random.uniform(KEY, (3,))
    slope = ferax.jacrev(lambda low: random.uniform(KEY, (3,), minval=low))(0.25)
    assert np.allclose(slope, 1 - u)
    # The inverse distribution function of a Pareto number is u^(-1/b).
    assert np.allclose(ferax.grad(lambda b: random.pareto(KEY, b))(2.0),
                       -np.log(random.pareto(KEY, 1.0)) / 4 * random.pareto(KEY, 2.0), rtol=1e-5)

    def loss(key, w):
        def step(key, _):
            key, subkey = random.split(key)
            return key, w * random.normal(subkey)
        return lax.scan(step, key, length=3)[1].sum()

    assert np.allclose(ferax.grad(loss, 1)(KEY, 2.0), loss(KEY, 1.0), rtol=1e-5)
    with pytest.raises(TypeError, match="key<fry>"):
        ferax.grad(lambda k: random.normal(k))(KEY)
    assert 0 < ferax.grad(lambda a: random.gamma(KEY, a))(2.0) < 5


def test_jaxprs_are_lean():
    def operations(fun, *args):
        return [eqn.primitive.name for eqn in ferax.make_jaxpr(fun)(*args).eqns]

    assert operations(random.split, KEY) == ["random_split"]
    assert operations(random.split, RAW) == ["random_wrap", "random_split", "random_unwrap"]
    assert operations(random.fold_in, KEY, jnp.uint32(3)) == ["random_fold_in"]
    assert operations(random.key, 3) == ["random_seed"]
    assert operations(random.uniform, KEY) == [
        "random_bits", "shift_right_logical", "or", "bitcast_convert_type", "sub"]
    assert len(operations(lambda k: random.normal(k, (3,)), KEY)) == 10
    assert ferax.eval_shape(random.split, KEY).dtype == KEY.dtype


# --- what is refused -----------------------------------------------------------------------------

KEYS = random.split(KEY, 3)


@pytest.mark.parametrize("call, error, message", [
    (lambda: random.normal(KEYS), ValueError, r"normal accepts a single key, but was given a key array of shape \(3,\)"),
    (lambda: random.normal(np.zeros((3, 2), np.uint32)), ValueError, r"key array of shape \(3, 2\) != \(\)"),
    (lambda: random.split(KEYS), ValueError, "split accepts a single key"),
    (lambda: random.fold_in(KEYS, 1), ValueError, "fold_in accepts a single key"),
    (lambda: random.normal(0), TypeError, "unexpected PRNG key type <class 'int'>"),
    (lambda: random.normal(None), TypeError, "unexpected PRNG key type <class 'NoneType'>"),
    (lambda: random.normal(np.zeros(2, np.int32)), TypeError, "expected key_data.dtype = uint32; got dtype=int32"),
    (lambda: random.normal(np.zeros(3, np.uint32)), TypeError, r"to end with \(2,\); got shape=\(3,\)"),
    (lambda: random.normal(np.uint32(0)), TypeError, "key_data.ndim >= 1; got ndim=0"),
    (lambda: random.wrap_key_data([0, 1]), TypeError, "to have ndim, shape, and dtype attributes"),
    (lambda: random.wrap_key_data(np.zeros(3, np.uint32)), TypeError, r"to end with \(2,\)"),
    (lambda: random.wrap_key_data(KEY), TypeError, "ndim >= 1"),
    (lambda: random.key_data(np.zeros(3)), TypeError, r"to end with \(2,\)"),
    (lambda: random.key(0.5), TypeError, "PRNG key seed must be an integer; got float32"),
    (lambda: random.key(np.bool_(True)), TypeError, "PRNG key seed must be an integer; got bool"),
    (lambda: random.key(np.arange(2)), TypeError, r"key accepts a scalar seed, but was given an array of shape \(2,\)"),
    (lambda: random.PRNGKey(np.arange(2)), TypeError, "PRNGKey accepts a scalar seed"),
    (lambda: random.key(KEY), TypeError, "key accepts a scalar seed, but was given a PRNG key"),
    (lambda: random.key(2**64), OverflowError, "too large"),
    (lambda: random.key("a"), TypeError, "str"),
    (lambda: random.key(0, impl="foo"), ValueError, 'unrecognized PRNG implementation "foo"'),
    (lambda: random.key(0, impl=3), TypeError, "unrecognized type <class 'int'>"),
    (lambda: random.key(0, impl="threefry2x32", dtype="threefry2x32"), ValueError, "both `impl` and `dtype`"),
    (lambda: random.split(KEY, -1), TypeError, "not negative"),
    (lambda: random.split(KEY, 2.5), TypeError, "cannot be interpreted as an integer"),
    (lambda: random.fold_in(KEY, np.arange(3)), TypeError, r"fold_in accepts a scalar, but was given an array of shape \(3,\)"),
    (lambda: random.fold_in(KEY, -1), OverflowError, "-1 out of bounds for uint32"),
    (lambda: random.fold_in(KEY, 2**32), OverflowError, "4294967296 out of bounds for uint32"),
    (lambda: random.normal(KEY, (-1,)), TypeError, "not negative"),
    (lambda: random.normal(KEY, (2.5,)), TypeError, "2.5"),
    (lambda: random.normal(KEY, (2,), "int32"), ValueError, "`normal` must be a float or complex dtype, got int32"),
    (lambda: random.uniform(KEY, (2,), "complex64"), ValueError, "`uniform` must be a float dtype, got complex64"),
    (lambda: random.uniform(KEY, (2,), minval=np.zeros(3)), ValueError, "Incompatible shapes for broadcasting"),
    (lambda: random.bits(KEY, (2,), "int32"), ValueError, "`bits` must be an unsigned int dtype, got int32"),
    (lambda: random.randint(KEY, (2,), 0, 5, "float32"), TypeError, "randint only accepts integer dtypes, got float32"),
    (lambda: random.randint(KEY, (2,), 0, 2**40), OverflowError, "1099511627776"),
    (lambda: random.randint(KEY, (2,), np.zeros(3, int), 5), ValueError, "Incompatible shapes"),
    (lambda: random.bernoulli(KEY, 1), TypeError, "`p` must have a floating dtype, got int32"),
    (lambda: random.bernoulli(KEY, 0.5, mode="x"), ValueError, "got mode='x', expected 'high' or 'low'"),
    (lambda: random.bernoulli(KEY, np.zeros((2, 3)), (3,)), ValueError, "must equal the shape argument"),
    (lambda: random.gumbel(KEY, (2,), mode="x"), ValueError, "Must provide valid mode for gumbel got: x"),
    (lambda: random.geometric(KEY, 0.5, (2,), "float32"), ValueError, "`geometric` must be an int dtype, got float32"),
    (lambda: random.pareto(KEY, np.float32(2), (2,), "bfloat16"), ValueError,
     "In arguments to pareto, cannot safely cast argument of type float32 to bfloat16"),
    (lambda: random.categorical(KEY, np.zeros(3, "f"), shape=(4,), replace=False), ValueError,
     r"Number of samples without replacement \(4\) cannot exceed number of categories \(3\)"),
    (lambda: random.categorical(KEY, [0.0, 1.0]), TypeError, "requires ndarray or scalar arguments, got <class 'list'>"),
    (lambda: random.categorical(KEY, np.zeros(3, int)), ValueError, "float dtype, got int32"),
    (lambda: random.choice(KEY, 3, 2), TypeError, "must be a sequence, got 2"),
    (lambda: random.choice(KEY, 0, (2,)), ValueError, "a must be greater than 0"),
    (lambda: random.choice(KEY, 3, (4,), replace=False), ValueError, "Cannot take a larger sample"),
    (lambda: random.choice(KEY, 3, (2,), p=np.ones(4)), ValueError, r"p has shape \(4,\) and a.shape\[axis\] is 3"),
    (lambda: random.choice(KEY, [1, 2], (2,)), TypeError, "got <class 'list'>"),
    (lambda: random.permutation(KEY, 3.5), TypeError, "x must be an integer or at least 1-dimensional"),
    (lambda: random.permutation(KEY, 4, axis=1), ValueError, "axis 1 is out of bounds"),
    (lambda: ferax.jit(lambda n: random.permutation(KEY, n))(3), TypeError, "permutation"),
    (lambda: random.dirichlet(KEY, np.float32(1)), ValueError, "dirichlet requires alpha.ndim >= 1"),
    (lambda: random.poisson(KEY, 3.0, (2,), "float32"), ValueError, "`poisson` must be an int dtype"),
])
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
