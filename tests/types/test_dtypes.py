"""Dtypes and promotion, against answers recorded from JAX (``data/record_dtypes.py``) and by laws."""

import enum
import json
import pathlib
import random
import string
import types
import warnings

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, strategies as st

from ferax import dtypes as public
from ferax._src.types import dtypes
from ferax._src.types.promotion import lattice
from ferax._src.util import config

RECORD = json.loads((pathlib.Path(__file__).parent / "data" / "dtypes.json").read_text())
NAMES = RECORD["dtypes"]
DTYPES = [np.dtype(getattr(ml_dtypes, name, name)) for name in NAMES]
ALPHABET = string.ascii_letters + string.digits + "+-*/=<>()[]"
WEAK_TYPES = [int, float, complex]
SCALARS = {"True": True, "1": 1, "1.0": 1.0, "1j": 1j}
MODES = ["standard x32", "standard x64", "strict x32", "strict x64"]

any_dtype = st.sampled_from(DTYPES)
any_node = st.sampled_from(DTYPES + WEAK_TYPES)


class Value:
    """The least that promotion needs of an array."""

    def __init__(self, dtype, weak=False):
        self.aval = types.SimpleNamespace(dtype=np.dtype(dtype), weak_type=weak)


class mode:
    def __init__(self, name):
        promotion, width = name.split()
        self.contexts = config.enable_x64(width == "x64"), config.numpy_dtype_promotion(promotion)

    def __enter__(self):
        for c in self.contexts:
            c.__enter__()

    def __exit__(self, *exc):
        for c in self.contexts:
            c.__exit__(*exc)


def value(name):
    if name in SCALARS:
        return SCALARS[name]
    return Value(DTYPES[NAMES.index(name.lstrip("~"))], name.startswith("~"))


def code(answer):
    try:
        dtype, weak = answer()
    except dtypes.TypePromotionError:
        return "!"
    return ALPHABET[DTYPES.index(dtype) + len(DTYPES) * weak]


# -- the recorded tables ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODES)
def test_promote_types_table(name):
    nodes = DTYPES + WEAK_TYPES
    with mode(name):
        for a, row in zip(nodes, RECORD["modes"][name]["promote_types"], strict=True):
            assert "".join(code(lambda: (dtypes.promote_types(a, b), False)) for b in nodes) == row, a


@pytest.mark.parametrize("name", MODES)
def test_lattice_result_type_table(name):
    expected = RECORD["modes"][name]
    operands = [value(n) for n in expected["operands"]]
    with mode(name):
        for n, a, row in zip(expected["operands"], operands, expected["lattice_result_type"], strict=True):
            assert "".join(code(lambda: dtypes.lattice_result_type(a, b)) for b in operands) == row, n


@pytest.mark.parametrize("name", MODES)
def test_three_operands(name):
    expected = RECORD["modes"][name]
    rng = random.Random(0)
    with mode(name):
        for want in expected["triples"]:
            names = [rng.choice(expected["operands"]) for _ in range(3)]
            assert code(lambda: dtypes.lattice_result_type(*map(value, names))) == want, names


@pytest.mark.parametrize("name", MODES)
def test_result_type_of_one(name):
    expected = RECORD["modes"][name]
    with mode(name):
        for n, want in zip(expected["operands"], expected["result_type"], strict=True):
            got = code(lambda: dtypes.result_type(value(n), return_weak_type_flag=True))
            if want != "?":
                assert got == want, n


@pytest.mark.parametrize("name", NAMES)
def test_facts(name):
    facts, d = RECORD["facts"][name], DTYPES[NAMES.index(name)]
    assert dtypes.short_dtype_name(d) == facts["short"]
    assert dtypes.to_numeric_dtype(d).name == facts["numeric"]
    if name not in ("int1", "int2", "uint1", "uint2"):  # JAX leaves these as they are
        assert dtypes.to_inexact_dtype(d).name == facts["inexact"]
        assert dtypes.to_floating_dtype(d).name == facts["floating"]
    assert dtypes.to_complex_dtype(d).name == facts["complex"]
    with config.enable_x64(True):
        assert dtypes.scalar_type_of(d).__name__ == facts["scalar"]
        assert dtypes.canonicalize_dtype(d) is dtypes.as_dtype(name)
    with config.enable_x64(False):
        assert dtypes.canonicalize_dtype(d).name == dtypes.canonicalize(d.type).name == facts["x32"]
    assert dtypes.itemsize_bits(d) == facts["bits"]
    assert dtypes.supports_inf(d) == facts["inf"]
    for abstract in (
        "generic",
        "number",
        "integer",
        "signedinteger",
        "unsignedinteger",
        "inexact",
        "floating",
        "complexfloating",
        "bool_",
    ):
        assert dtypes.issubdtype(d, getattr(np, abstract)) == (abstract in facts["below"])
        assert dtypes.issubdtype(d.type, getattr(np, abstract)) == (abstract in facts["below"])
    for kind in (
        "bool",
        "signed integer",
        "unsigned integer",
        "integral",
        "real floating",
        "complex floating",
        "numeric",
    ):
        assert dtypes.isdtype(d, kind) == (kind in facts["kinds"])


# -- laws ---------------------------------------------------------------------------------------------------------


@given(st.booleans(), st.booleans(), st.lists(any_node, min_size=1, max_size=4))
def test_join_is_the_least_upper_bound(strict, x64, nodes):
    order = lattice(strict, x64)

    def below(a, b):
        return order.above[a] | order.above[b] == order.above[a]

    common = [n for n in order.nodes if all(below(m, n) for m in nodes)]
    least = [n for n in common if all(below(n, c) for c in common)]
    joined = order.join(nodes)
    assert [joined] == least if joined is not None else not least


@given(any_dtype, any_dtype)
def test_promotion_commutes_and_is_idempotent(a, b):
    assert dtypes.promote_types(a, a) is a
    ab, ba = (code(lambda p=p: (dtypes.promote_types(*p), False)) for p in ((a, b), (b, a)))
    assert ab == ba
    if ab != "!":
        joined = dtypes.promote_types(a, b)
        assert dtypes.promote_types(joined, a) is joined


@given(any_dtype, st.booleans())
def test_weak_scalars_never_widen_their_kind(d, x64):
    with config.enable_x64(x64):
        scalar = {"b": True, "i": 1, "u": 1, "f": 1.0, "c": 1j}[dtypes.kind_of(d)]
        assert dtypes.lattice_result_type(Value(d), scalar) == (dtypes.canonicalize(d) if x64 else d, False)


# -- canonical dtypes ---------------------------------------------------------------------------------------------


def test_canonical_dtypes_are_one_object():
    for written in ("float32", "f4", np.float32, np.dtype("float32"), np.dtype("f4", metadata={"a": 1})):
        assert dtypes.canonicalize(written) is np.dtype("float32")
    assert dtypes.canonicalize(np.dtype("longlong")) is np.dtype("int32")
    with config.enable_x64(True):
        assert dtypes.canonicalize(np.dtype("longlong")) is np.dtype("int64")
        assert dtypes.canonicalize(float) is np.dtype("float64")
    assert dtypes.canonicalize(float) is np.dtype("float32")
    assert dtypes.canonicalize(None) is np.dtype("float32")
    assert dtypes.canonicalize("bfloat16") is np.dtype(ml_dtypes.bfloat16)


def test_what_has_a_dtype_attribute_names_a_dtype():
    class Unhashable:
        dtype = np.dtype("int8")
        __hash__ = None

    assert dtypes.canonicalize(Unhashable()) == np.int8
    assert dtypes.dtype_of(Unhashable()) == np.int8
    with pytest.raises(TypeError, match="dtype 'foo' not understood"):
        dtypes.canonicalize_dtype("foo")


def test_jax_dtype():
    assert dtypes.jax_dtype(None) == dtypes.jax_dtype(float) == np.float32
    assert dtypes.jax_dtype(int) == np.int32
    assert dtypes.jax_dtype("int64") == np.int64
    assert dtypes.jax_dtype(bool) == np.bool_


def test_explicit_64_bit_dtype_warns():
    with pytest.warns(
        UserWarning,
        match="Explicitly requested dtype float64 requested in zeros is not available, and "
        "will be truncated to dtype float32. To enable more dtypes, set",
    ) as caught:
        assert dtypes.check_user_dtype("float64", "zeros") == np.float32
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dtypes.check_user_dtype(float, "zeros") == np.float32
        assert dtypes.check_user_dtype(int) == np.int32
        with config.enable_x64(True):
            assert dtypes.check_user_dtype(np.float64, "zeros") == np.float64
        with config.explicit_x64_dtypes("allow"):
            assert dtypes.check_user_dtype(np.float64, "zeros") == np.float64
    with (
        config.explicit_x64_dtypes("error"),
        pytest.raises(ValueError, match="int64 requested in ones is not avail"),
    ):
        dtypes.check_user_dtype("int64", "ones")


@pytest.mark.parametrize(
    "bad, error",
    [
        ("S3", TypeError),
        (object, TypeError),
        ("foo", TypeError),
        (None, ValueError),
        (Value("f4"), ValueError),
    ],
)
def test_user_dtypes_that_are_none(bad, error):
    with pytest.raises(error):
        dtypes.check_user_dtype(bad, "zeros")


# -- values -------------------------------------------------------------------------------------------------------


def test_dtype_of():
    assert dtypes.dtype_of(np.arange(3.0)) == np.float32
    assert dtypes.dtype_of(np.float64(1)) == np.float32
    assert dtypes.dtype_of(Value("int64")) == np.int64  # a value that exists keeps its dtype
    assert dtypes.dtype_of(True) is np.dtype(bool)
    assert dtypes.dtype_of(3) is np.dtype("int32")
    assert dtypes.dtype_of(complex) is np.dtype("complex64")
    assert dtypes.dtype_of(np.dtype("int8")) is np.dtype("int8")

    class Colour(enum.IntEnum):
        RED = 1

    assert dtypes.dtype_of(Colour.RED) == np.int32
    assert dtypes.python_scalar_base(Colour) is int
    with pytest.raises(ValueError):
        dtypes.dtype_of(None)
    for bad in (object(), np.array(["a"]), np.array([None]), [1, 2]):
        with pytest.raises(TypeError):
            dtypes.dtype_of(bad)


def test_weakness():
    assert all(map(dtypes.is_weak, (1, 1.0, 1j, Value("f4", True))))
    assert not any(map(dtypes.is_weak, (True, np.float32(1), np.ones(2), Value("f4"), Value, "f4", None)))

    class HasAvalProperty:
        aval = property(lambda self: 1 / 0)
        dtype = np.dtype("int8")

    assert dtypes.dtype_and_weak_type(HasAvalProperty) == (np.int8, False)


def test_result_type():
    assert dtypes.result_type(None) == np.float32
    assert dtypes.result_type(1, 2, return_weak_type_flag=True) == (np.int32, True)
    assert dtypes.result_type(np.arange(3), 1.5) == np.float32
    assert dtypes.result_type(Value("int16", True)) == np.int32
    assert dtypes.result_type(Value("int64"), Value("int32")) == np.int32
    assert dtypes.result_type(dtypes.float0, dtypes.float0) == dtypes.float0
    with pytest.raises(ValueError, match="at least one"):
        dtypes.result_type()
    with pytest.raises(ValueError, match="not a valid dtype for type promotion"):
        dtypes.result_type(dtypes.float0, 1)
    assert dtypes.promoted_inexact(Value("int8"), 1) == (np.float32, False)
    assert dtypes.promoted_inexact(1, 2) == (np.float32, True)
    assert dtypes.promoted_numeric(True, True) == (np.int32, False)
    assert dtypes.promoted_complex(1.0) == (np.complex64, True)
    assert dtypes.promoted(1, 2.0) == (np.float32, True)
    assert dtypes.safe_to_cast("int16", "float32") and not dtypes.safe_to_cast("float32", "int16")
    assert dtypes.safe_to_cast(1, "int8")


def test_python_ints_that_do_not_fit():
    with pytest.raises(OverflowError, match="Python int 1099511627776 too large to convert to int32"):
        dtypes.scalar_type_to_dtype(int, 1 << 40)
    with pytest.raises(OverflowError, match="too large to convert to int4"):
        dtypes.check_python_int(8, dtypes.as_dtype("int4"))
    dtypes.check_python_int(-(1 << 31))
    with config.enable_x64(True):
        dtypes.check_python_int(1 << 40)
    assert dtypes.coerce_to_array(3).dtype == np.int32
    with pytest.raises(OverflowError):
        dtypes.coerce_to_array(1 << 31)


# -- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "a, b, words",
    [
        ("int4", "int8", ["'int4', 'int8'", "less than 8 bits", "x.astype('int8')"]),
        ("float8_e4m3fn", "float32", ["8-bit floats", "x.astype('float32')"]),
        ("float8_e4m3fn", "float8_e5m2", ["'float8_e4m3fn', 'float8_e5m2'", "x.astype('float32')"]),
        ("float4_e2m1fn", "bfloat16", ["4-bit floats", "x.astype('bfloat16')"]),
        ("float6_e2m3fn", "complex64", ["6-bit floats", "x.astype('complex64')"]),
        ("int4", float, ["'int4', 'weak float'", "x.astype('float32')"]),
    ],
)
def test_promotion_error_names_types_and_way_out(a, b, words):
    with pytest.raises(
        dtypes.TypePromotionError, match="have no available implicit dtype promotion path"
    ) as e:
        dtypes.promote_types(a, b)
    assert all(w in str(e.value) for w in words), e.value


def test_strict_promotion_error():
    with config.numpy_dtype_promotion("strict"):
        with pytest.raises(
            dtypes.TypePromotionError,
            match=r"\('float16', 'weak int', 'int8'\) .*promotion=strict.*"
            r"set jax_numpy_dtype_promotion=standard",
        ):
            dtypes.result_type("float16", 1, "int8")
        assert dtypes.result_type(1, 2.0) == np.float32


def test_isdtype_errors():
    assert dtypes.isdtype("int4", ("bool", "integral"))
    assert dtypes.isdtype("int8", np.int8) and not dtypes.isdtype("int8", "int16")
    with pytest.raises(ValueError, match="kind='foo'; expected one of"):
        dtypes.isdtype("int4", ("integral", "foo"))
    with pytest.raises(TypeError, match="kind=3.0"):
        dtypes.isdtype("int4", 3.0)


# -- extended dtypes ----------------------------------------------------------------------------------------------


class KeyDType(dtypes.ExtendedDType):
    type = dtypes.prng_key

    def __init__(self, name, n):
        self.name, self.element_shape = name, (n,)


def test_extended_dtypes():
    k, same, other = KeyDType("key<fry>", 2), KeyDType("key<fry>", 2), KeyDType("key<rbg>", 4)
    assert k == same and hash(k) == hash(same) and k != other and k != np.dtype("uint32")
    assert dtypes.issubdtype(k, public.prng_key) and dtypes.issubdtype(k, public.extended)
    assert not dtypes.issubdtype(np.float32, public.extended) and not dtypes.issubdtype(k, np.number)
    assert (
        dtypes.issubdtype(k, same)
        and not dtypes.issubdtype(k, other)
        and not dtypes.issubdtype(np.float32, k)
    )
    assert dtypes.issubdtype(public.prng_key, public.extended)
    assert dtypes.short_dtype_name(k) == dtypes.dtype_name(k) == str(k) == "key<fry>"
    assert (
        dtypes.physical_shape((3,), k) == (3, 2) and dtypes.physical_dtype(k) == np.uint32 and k.itemsize == 8
    )
    assert dtypes.physical_shape((3,), np.dtype("f4")) == (3,)
    assert dtypes.result_type(k, same) == k and dtypes.canonicalize(k) is k and dtypes.jax_dtype(k) is k
    assert dtypes.check_user_dtype(k) is k and dtypes.is_supported(k)
    assert dtypes.tangent_dtype(k) == dtypes.float0
    with pytest.raises(ValueError, match="allow_extended_dtype"):
        dtypes.canonicalize_dtype(k)
    assert dtypes.canonicalize_dtype(k, allow_extended_dtype=True) is k
    with pytest.raises(ValueError, match="key<fry>"):
        dtypes.result_type(k, 1)
    with pytest.raises(TypeError):
        dtypes.to_inexact_dtype(k)


def test_tangents_and_names():
    assert dtypes.tangent_dtype(np.dtype("float32")) == np.float32
    assert dtypes.tangent_dtype(np.dtype("int32")) == dtypes.tangent_dtype(np.dtype(bool)) == dtypes.float0
    assert dtypes.short_dtype_name(dtypes.float0) == dtypes.dtype_name(dtypes.float0) == "float0"
    assert dtypes.named_dtypes["bfloat16"] == dtypes.bfloat16


def test_public_module():
    for name in (
        "bfloat16",
        "canonicalize_dtype",
        "extended",
        "float0",
        "issubdtype",
        "itemsize_bits",
        "prng_key",
        "result_type",
        "scalar_type_of",
        "TypePromotionError",
    ):
        assert hasattr(public, name)
    assert public.finfo(public.bfloat16).bits == 16 and public.iinfo("int4").max == 7
