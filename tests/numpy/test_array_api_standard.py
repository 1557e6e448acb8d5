"""The Python array API standard 2024.12: every name is there and takes the parameters that the standard gives it."""

import inspect

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp

#: Signatures of the standard: ``name(positional, /, either, *, keyword)``, defaults left out.
SIGNATURES = """
arange(start, /, stop, step, *, dtype, device)
asarray(obj, /, *, dtype, device, copy)
empty(shape, *, dtype, device)
empty_like(x, /, *, dtype, device)
eye(n_rows, n_cols, /, *, k, dtype, device)
from_dlpack(x, /, *, device, copy)
full(shape, fill_value, *, dtype, device)
full_like(x, /, fill_value, *, dtype, device)
linspace(start, stop, /, num, *, dtype, device, endpoint)
meshgrid(*arrays, indexing)
ones(shape, *, dtype, device)
ones_like(x, /, *, dtype, device)
tril(x, /, *, k)
triu(x, /, *, k)
zeros(shape, *, dtype, device)
zeros_like(x, /, *, dtype, device)
astype(x, dtype, /, *, copy, device)
can_cast(from_, to, /)
finfo(type, /)
iinfo(type, /)
isdtype(dtype, kind)
result_type(*arrays_and_dtypes)
abs(x, /)
acos(x, /)
acosh(x, /)
add(x1, x2, /)
asin(x, /)
asinh(x, /)
atan(x, /)
atan2(x1, x2, /)
atanh(x, /)
bitwise_and(x1, x2, /)
bitwise_left_shift(x1, x2, /)
bitwise_invert(x, /)
bitwise_or(x1, x2, /)
bitwise_right_shift(x1, x2, /)
bitwise_xor(x1, x2, /)
ceil(x, /)
clip(x, /, min, max)
conj(x, /)
copysign(x1, x2, /)
cos(x, /)
cosh(x, /)
divide(x1, x2, /)
equal(x1, x2, /)
exp(x, /)
expm1(x, /)
floor(x, /)
floor_divide(x1, x2, /)
greater(x1, x2, /)
greater_equal(x1, x2, /)
hypot(x1, x2, /)
imag(x, /)
isfinite(x, /)
isinf(x, /)
isnan(x, /)
less(x1, x2, /)
less_equal(x1, x2, /)
log(x, /)
log1p(x, /)
log2(x, /)
log10(x, /)
logaddexp(x1, x2, /)
logical_and(x1, x2, /)
logical_not(x, /)
logical_or(x1, x2, /)
logical_xor(x1, x2, /)
maximum(x1, x2, /)
minimum(x1, x2, /)
multiply(x1, x2, /)
negative(x, /)
nextafter(x1, x2, /)
not_equal(x1, x2, /)
positive(x, /)
pow(x1, x2, /)
real(x, /)
reciprocal(x, /)
remainder(x1, x2, /)
round(x, /)
sign(x, /)
signbit(x, /)
sin(x, /)
sinh(x, /)
square(x, /)
sqrt(x, /)
subtract(x1, x2, /)
tan(x, /)
tanh(x, /)
trunc(x, /)
take(x, indices, /, *, axis)
take_along_axis(x, indices, /, *, axis)
matmul(x1, x2, /)
matrix_transpose(x, /)
tensordot(x1, x2, /, *, axes)
vecdot(x1, x2, /, *, axis)
broadcast_arrays(*arrays)
broadcast_to(x, /, shape)
concat(arrays, /, *, axis)
expand_dims(x, /, *, axis)
flip(x, /, *, axis)
moveaxis(x, source, destination, /)
permute_dims(x, /, axes)
repeat(x, repeats, /, *, axis)
reshape(x, /, shape, *, copy)
roll(x, /, shift, *, axis)
squeeze(x, /, axis)
stack(arrays, /, *, axis)
tile(x, repetitions, /)
unstack(x, /, *, axis)
argmax(x, /, *, axis, keepdims)
argmin(x, /, *, axis, keepdims)
count_nonzero(x, /, *, axis, keepdims)
nonzero(x, /)
searchsorted(x1, x2, /, *, side, sorter)
where(condition, x1, x2, /)
unique_all(x, /)
unique_counts(x, /)
unique_inverse(x, /)
unique_values(x, /)
argsort(x, /, *, axis, descending, stable)
sort(x, /, *, axis, descending, stable)
cumulative_prod(x, /, *, axis, dtype, include_initial)
cumulative_sum(x, /, *, axis, dtype, include_initial)
max(x, /, *, axis, keepdims)
mean(x, /, *, axis, keepdims)
min(x, /, *, axis, keepdims)
prod(x, /, *, axis, dtype, keepdims)
std(x, /, *, axis, correction, keepdims)
sum(x, /, *, axis, dtype, keepdims)
var(x, /, *, axis, correction, keepdims)
all(x, /, *, axis, keepdims)
any(x, /, *, axis, keepdims)
diff(x, /, *, axis, n, prepend, append)
linalg.cholesky(x, /, *, upper)
linalg.cross(x1, x2, /, *, axis)
linalg.det(x, /)
linalg.diagonal(x, /, *, offset)
linalg.eigh(x, /)
linalg.eigvalsh(x, /)
linalg.inv(x, /)
linalg.matmul(x1, x2, /)
linalg.matrix_norm(x, /, *, keepdims, ord)
linalg.matrix_power(x, n, /)
linalg.matrix_rank(x, /, *, rtol)
linalg.matrix_transpose(x, /)
linalg.outer(x1, x2, /)
linalg.pinv(x, /, *, rtol)
linalg.qr(x, /, *, mode)
linalg.slogdet(x, /)
linalg.solve(x1, x2, /)
linalg.svd(x, /, *, full_matrices)
linalg.svdvals(x, /)
linalg.tensordot(x1, x2, /, *, axes)
linalg.trace(x, /, *, offset, dtype)
linalg.vecdot(x1, x2, /, *, axis)
linalg.vector_norm(x, /, *, axis, keepdims, ord)
fft.fft(x, /, *, n, axis, norm)
fft.ifft(x, /, *, n, axis, norm)
fft.fftn(x, /, *, s, axes, norm)
fft.ifftn(x, /, *, s, axes, norm)
fft.rfft(x, /, *, n, axis, norm)
fft.irfft(x, /, *, n, axis, norm)
fft.rfftn(x, /, *, s, axes, norm)
fft.irfftn(x, /, *, s, axes, norm)
fft.hfft(x, /, *, n, axis, norm)
fft.ihfft(x, /, *, n, axis, norm)
fft.fftfreq(n, /, *, d, dtype, device)
fft.rfftfreq(n, /, *, d, dtype, device)
fft.fftshift(x, /, *, axes)
fft.ifftshift(x, /, *, axes)
"""
ROWS = [(line.partition("(")[0], line.partition("(")[2].rstrip(")").split(", ")) for line in SIGNATURES.split("\n") if line]
VALUES = "e inf nan newaxis pi bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128".split()
MEMBERS = """dtype device mT ndim shape size T __abs__ __add__ __and__ __array_namespace__ __bool__ __complex__ __dlpack__
__dlpack_device__ __eq__ __float__ __floordiv__ __ge__ __getitem__ __gt__ __index__ __int__ __invert__ __le__ __lshift__ __lt__
__matmul__ __mod__ __mul__ __ne__ __neg__ __or__ __pos__ __pow__ __rshift__ __sub__ __truediv__ __xor__ to_device __radd__
__rsub__ __rmul__ __rtruediv__ __rfloordiv__ __rpow__ __rmod__ __rmatmul__ __rand__ __ror__ __rxor__ __rlshift__
__rrshift__""".split()


def found(name):
    value = jnp
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _parameters(name):
    """Of a function; those of a ufunc or a type are of its call."""
    value = found(name)
    if isinstance(value, type) and name == "finfo":
        return None
    return inspect.signature(value.__wrapped__ if isinstance(value, jnp.ufunc) else value).parameters


@pytest.mark.parametrize("name, parameters", ROWS, ids=[name for name, _ in ROWS])
def test_function_takes_the_parameters_of_the_standard(name, parameters):
    assert callable(found(name))
    ours = _parameters(name)
    if ours is None:
        return
    kinds = {p.kind for p in ours.values()}
    first = parameters[:parameters.index("/")] if "/" in parameters else []
    positional = [p for p in ours.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if any(p.startswith("*") and len(p) > 1 for p in parameters):
        assert inspect.Parameter.VAR_POSITIONAL in kinds
    assert len(positional) >= len(first) or inspect.Parameter.VAR_POSITIONAL in kinds
    by_name = [p for p in parameters if p not in ("/", "*", *first) and not p.startswith("*")]
    missing = [p for p in by_name if p not in ours]
    assert not missing, f"{name} lacks {missing}"
    assert all(ours[p].kind is not inspect.Parameter.POSITIONAL_ONLY for p in by_name)


def test_values_and_members():
    assert [name for name in VALUES if not hasattr(jnp, name)] == []
    assert [name for name in MEMBERS if not hasattr(jnp.ones((1, 1)), name)] == []


def test_namespace_of_an_array():
    x = jnp.ones(2)
    assert x.__array_namespace__() is x.__array_namespace__(api_version="2024.12") is jnp
    assert jnp.__array_api_version__ == "2024.12"
    assert ferax.jit(lambda x: x.__array_namespace__().sin(x))(x).shape == (2,)
    with pytest.raises(ValueError, match="api_version='2019.12'"):
        x.__array_namespace__(api_version="2019.12")


def test_namespace_info():
    info = jnp.__array_namespace_info__()
    assert info.capabilities() == {"boolean indexing": False, "data-dependent shapes": False, "max dimensions": 64}
    assert info.default_device() is None and info.devices() == [None, *ferax.devices("cpu")]
    assert info.default_dtypes() == {"real floating": np.float32, "complex floating": np.complex64, "integral": np.int32,
                                     "indexing": np.int32}
    assert list(info.dtypes()) == "bool int8 int16 int32 uint8 uint16 uint32 float32 complex64".split()
    assert info.dtypes(kind=("bool", "real floating")) == {"bool": np.bool_, "float32": np.float32}
    with ferax.enable_x64(True):
        assert info.default_dtypes(device=ferax.devices()[0])["integral"] == np.int64
        assert list(info.dtypes(kind="integral")) == [k + n for k in ("int", "uint") for n in "8 16 32 64".split()]
        assert len(info.dtypes()) == 13
    with pytest.raises(ValueError, match="unknown kind 'what'"):
        info.dtypes(kind=("bool", "what"))
