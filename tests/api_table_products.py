"""Rows of products, `einsum` and `numpy.fft`."""

import numpy as np
from api_draw import ANY, INTS, NUMBERS, Draw, call
from api_harness import Elsewhere, Row

SHIFTED = ("float32", "complex64", "int32", "float64", "bfloat16", "int8", "bool", "complex128")
REAL_SHIFTED = ("float32", "int32", "float64", "int8", "bool")


def wide_ints(f):
    """The oracle with sums of integers that wrap around only at the end."""
    def of(*args, **kwargs):
        return f(*[x.astype(np.int64) if getattr(x, "dtype", np.dtype(float)).kind in "iu" else x for x in args], **kwargs)
    return of


def no_options(f):
    """The oracle without arguments that it does not know and that leave real numbers as they are."""
    return wide_ints(lambda *args, precision=None, preferred_element_type=None, **kwargs: f(*args, **kwargs))


def options(d: Draw):
    return d.some(precision=("highest", None))


# --- products -----------------------------------------------------------------------------------

def matrices(d: Draw):
    """Operands of matmul: of one dimension or more, with batches that broadcast."""
    n, k, m = (d.pick(2, 3, 1, 4) for _ in range(3))
    k = 0 if not d.smooth and d.integer(0, 9) == 9 else k
    a, b = d.broadcasting(2, 0, 2)
    left, right = d.pick(((n, k), (k, m)), ((k,), (k, m)), ((n, k), (k,)), ((k,), (k,)))
    return call(d.array(ANY, (*a, *left) if len(left) == 2 else left, special=False),
                d.array(ANY, (*b, *right) if len(right) == 2 else right, special=False), **options(d))


def dots(d: Draw):
    """Operands of dot and inner: scalars, or arrays that share a size in the place where they are contracted."""
    def calls(place):
        k = d.pick(2, 3, 1)
        a, b = d.shape(0, 2), list(d.shape(0, 2))
        match d.integer(0, 3):
            case 0:
                return call(d.array(ANY, (), special=False), d.array(ANY, b and tuple(b), special=False), **options(d))
            case _:
                b.insert(place(len(b)), k)
                return call(d.array(ANY, (*a, k), special=False), d.array(ANY, tuple(b), special=False), **options(d))
    return calls


def flat_pairs(d: Draw):
    """Operands of vdot: as many elements, in any shape."""
    shapes = d.pick(((6,), (6,)), ((2, 3), (3, 2)), ((2, 3), (6,)), ((), ()), ((1,), ()), ((0,), (0,)) if not d.smooth else ((), ()))
    return call(d.array(ANY, shapes[0], special=False), d.array(ANY, shapes[1], special=False), **options(d))


def vectors(left, right):
    """Operands with one or two dimensions at the end, named in a string, and batches that broadcast."""
    def calls(d: Draw):
        sizes = {"n": d.pick(2, 3), "m": d.pick(4, 1)}
        a, b = d.broadcasting(2, 0, 2)
        a, b = (*a, *(sizes[c] for c in left)), (*b, *(sizes[c] for c in right))
        return call(d.array(ANY, a, special=False), d.array(ANY, b, special=False))
    return calls


def along_axis(d: Draw):
    a, b = d.broadcasting(2, 0, 2)
    axis = d.pick(-1, -2) if len(a) and len(b) and (a[-1] == b[-1]) else -1
    place = lambda s: (*s, 3) if axis == -1 else (*s[:-1], 3, s[-1])
    return call(d.array(ANY, place(a), special=False), d.array(ANY, place(b), special=False), axis=axis)


def contracted(d: Draw):
    """Operands of tensordot with their axes."""
    match d.integer(0, 3):
        case 0:
            n = d.integer(0, 2)
            common = (2, 3)[:n]
            return call(d.array(ANY, (*d.shape(0, 2), *common), special=False), d.array(ANY, (*common, *d.shape(0, 2)), special=False), n)
        case 1:
            return call(d.array(ANY, (2, 3, 4), special=False), d.array(ANY, (4, 2), special=False), axes=((0, -1), (1, 0)))
        case 2:
            return call(d.array(ANY, (3, 2), special=False), d.array(ANY, (2, 3), special=False), axes=(0, 1))
    return call(d.array(ANY, (2, 3), special=False), d.array(ANY, (3, 4), special=False), axes=([1], [0]), **options(d))


def crossed(d: Draw):
    """Operands of cross: vectors of 2 or 3, at the end or along named axes."""
    n, m = d.pick((3, 3), (2, 3), (3, 2), (2, 2))
    match d.integer(0, 2):
        case 0:
            a, b = d.broadcasting(2, 0, 2)
            return call(d.array(NUMBERS, (*a, n), special=False), d.array(NUMBERS, (*b, m), special=False))
        case 1:
            return call(d.array(NUMBERS, (n, 4), special=False), d.array(NUMBERS, (m, 4), special=False), axis=0)
    return call(d.array(NUMBERS, (n, 4), special=False), d.array(NUMBERS, (4, m), special=False), axisa=0,
                **d.some(axisb=(-1, 1), axisc=((0, -1) if n == m == 3 else 0)))


def cross_oracle(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = (np.moveaxis(np.asarray(x), i, -1) for x, i in ((a, axisa), (b, axisb)))
    flat = a.shape[-1] == b.shape[-1] == 2
    three = lambda x: np.concatenate([x, np.zeros_like(x[..., :3 - x.shape[-1]])], -1)
    a, b = np.broadcast_arrays(three(a), three(b))
    out = np.stack([a[..., i] * b[..., j] - a[..., j] * b[..., i] for i, j in ((1, 2), (2, 0), (0, 1))], -1)
    return out[..., 2] if flat else np.moveaxis(out, -1, axisc)


def cross_3d(d: Draw):
    a, b = d.broadcasting(2, 0, 2)
    return call(d.array(NUMBERS, (*a, 3), special=False), d.array(NUMBERS, (*b, 3), special=False))


def diagonal_options(d: Draw):
    x = d.array(ANY, d.shape(2, 4), special=False)
    axes = d.pick({}, {"axis1": -1, "axis2": 0}, {"axis1": 1, "axis2": -1}) if x.ndim > 2 else {}
    dtype = d.some(dtype=("float32", "int32", None)) if x.dtype.kind != "c" and not d.smooth else {}
    return call(x, **d.some(offset=(1, -1, 5)), **axes, **dtype)


def trace_oracle(x, offset=0, axis1=0, axis2=1, dtype=None):
    if dtype == "int32":
        x = np.trunc(x).astype(np.int64)
    return wide_ints(np.trace)(x.astype(np.int64) if x.dtype == bool else x, offset, axis1, axis2)


EINSUMS = (
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("ii->i", (3, 3)), ("ii", (3, 3)), ("ij->ji", (2, 3)), ("ij->", (2, 3)),
    ("i,j->ij", (2,), (3,)), ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)), ("...ij,...jk->...ik", (2, 1, 2, 3), (3, 3, 2)),
    ("...i->...", (2, 3)), ("ij,ij->i", (2, 3), (2, 3)), ("ij,kj,il->kl", (2, 3), (4, 3), (2, 2)), ("i,i", (3,), (3,)),
    ("ijk->kj", (2, 3, 2)), ("iij,jk->ik", (2, 2, 3), (3, 2)), (",ij->ij", (), (2, 3)), ("a...,...b->a...b", (2, 3), (3, 4)),
    ("ab,bc,cd,de->ae", (2, 3), (3, 2), (2, 4), (4, 1)), ("i...->...i", (2, 3, 2)), ("...,...", (2, 3), (3,)),
    ("bqhd,bkhd->bhqk", (2, 3, 1, 2), (2, 2, 1, 2)), ("ba,cb->ca", (3, 4), (2, 3)), ("iij,j->i", (3, 3, 2), (2,)),
    ("ij,k->i", (2, 3), (4,)), ("ij,kj,lj->ikl", (2, 3), (3, 3), (4, 3)), ("i j -> j i", (2, 3)), ("ij,jk->ik", (0, 3), (3, 2)),
    ("ij,jk->ik", (2, 0), (0, 2)),
)


def einsums(d: Draw):
    subscripts, *shapes = d.pick(*(e for e in EINSUMS if not d.smooth or all(map(all, e[1:]))))
    kinds = d.pick(("float32", "complex64"), ("float32",), INTS, ("bfloat16", "float32"), ("bool", "int32"))
    arrays = [d.array(kinds, s, special=False) for s in shapes]
    return call(subscripts, *arrays, **d.some(optimize=("optimal", "greedy", False, True), precision=("highest", None)))


def einsum_lists(d: Draw):
    return call(d.array(NUMBERS, (2, 3), special=False), [0, 1], d.array(NUMBERS, (3, 4), special=False), [1, 2], *d.pick((), ([2, 0],)))


def einsum_oracle(*args, optimize=True, precision=None, **kwargs):
    numbers = [x.astype(np.int64) if isinstance(x, np.ndarray) and x.dtype.kind == "b" else x for x in args]
    return wide_ints(np.einsum)(*numbers, optimize=False, **kwargs)


def einsum_calls(d: Draw):
    return einsum_lists(d) if d.integer(0, 5) == 5 else einsums(d)


def paths(found, _, given):
    path, report = found
    operands = [x for x in given.args if isinstance(x, np.ndarray)]
    assert "Complete contraction" in str(report)
    left = len(operands)
    for group in path:
        assert all(0 <= i < left for i in group)
        left -= len(group) - 1
    assert left == 1


# --- fft ----------------------------------------------------------------------------------------

NORMS = ("ortho", "forward", "backward", None)


def one_axis(kinds, real=False):
    def calls(d: Draw):
        x = d.array(kinds, d.shape(1, 3, empty=False, sizes=(3, 2, 4, 5)), special=False)
        axis = d.axis(x.ndim)
        given = d.some(n=(3, 6, 2) if not real else (6, 4, 3), norm=NORMS)
        if real and "n" not in given and x.shape[axis] == 1:
            given["n"] = 2
        return call(x, **given, axis=axis)
    return calls


def many_axes(kinds, two=False, real=False):
    def calls(d: Draw):
        x = d.array(kinds, d.shape(2, 3, empty=False, sizes=(3, 2, 4)), special=False)
        given: dict = d.some(norm=NORMS)
        axes = d.pick((-2, -1), (0, 1), (1, 0), *([(0,)] if not two else []), *([(0, 2)] if x.ndim > 2 else []))
        if d.flag():
            given["axes"] = axes
        if d.flag():
            given["s"] = tuple(d.pick(2, 4, 3) for _ in given.get("axes", (0, 0)))
            given.setdefault("axes", (-2, -1))
        return call(x, **given)
    return calls


def nd_oracle(f):
    """NumPy's, which wants both ``s`` and ``axes``."""
    def of(x, s=None, axes=None, norm=None):
        if x.dtype == bool:
            x = x.astype(np.float64)
        two = f.__name__.endswith("2")
        return f(x, s=s, axes=(-2, -1) if two and axes is None else axes, norm=norm)
    return of


def of_bool(f):
    return lambda x, *args, **kwargs: f(x.astype(np.float64) if x.dtype == bool else x, *args, **kwargs)


def shifts(d: Draw):
    x = d.array(ANY, d.shape(1, 3))
    return call(x, **d.some(axes=(d.axis(x.ndim), tuple(range(x.ndim)), ())))


def frequencies(d: Draw):
    dtype = d.pick({}, {"dtype": "float32"}, {"dtype": "float64"}, {"dtype": "bfloat16"})
    return call(d.pick(1, 2, 5, 8), **d.some(d=(0.5, 2)), **dtype)


def without_dtype(f):
    return lambda n, d=1.0, dtype=None: f(n, d=d)


FFT = dict(tolerance=4.0, slack=10.0)

ROWS = [
    Elsewhere("numpy.fft numpy.linalg", "api_table_products.py"),           # the modules, by the names in them

    Row("numpy.matmul numpy.linalg.matmul", no_options(np.matmul), matrices, "same", tolerance=4),
    Row("numpy.dot Array.dot", no_options(np.dot), lambda d: dots(d)(lambda n: max(n - 1, 0)), "same", tolerance=4),
    Row("numpy.inner", no_options(np.inner), lambda d: dots(d)(lambda n: n), "same", tolerance=4),
    Row("numpy.vdot", no_options(np.vdot), flat_pairs, "same", tolerance=4),
    Row("numpy.vecdot", no_options(np.vecdot), along_axis, "same", tolerance=4),
    Row("numpy.linalg.vecdot", no_options(np.linalg.vecdot), along_axis, "same", tolerance=4),
    Row("numpy.matvec", wide_ints(np.matvec), vectors("nm", "m"), "same", tolerance=4),
    Row("numpy.vecmat", wide_ints(np.vecmat), vectors("n", "nm"), "same", tolerance=4),
    Row("numpy.tensordot", no_options(np.tensordot), contracted, "same", tolerance=4),
    Row("numpy.linalg.tensordot", lambda a, b, n=2, axes=None, **_: wide_ints(np.tensordot)(a, b, n if axes is None else axes),
        lambda d: (lambda c: call(*c.args[:2], axes=c.kwargs.get("axes", c.args[-1])))(contracted(d)), "same", tolerance=4),
    Row("numpy.outer", wide_ints(np.outer), lambda d: call(d.array(ANY, special=False), d.array(ANY, special=False)), "same"),
    Row("numpy.linalg.outer", wide_ints(np.outer), lambda d: call(d.array(NUMBERS, (d.integer(0, 3),), special=False),
                                                                 d.array(NUMBERS, (d.integer(1, 3),), special=False)), "same"),
    Row("numpy.kron", wide_ints(np.kron), lambda d: call(d.array(ANY, special=False), d.array(ANY, d.shape(0, 2), special=False)), "same"),
    Row("numpy.cross", wide_ints(cross_oracle), crossed, "same"),
    Row("numpy.linalg.cross", wide_ints(cross_oracle), cross_3d, "same"),
    Row("numpy.trace Array.trace", trace_oracle, diagonal_options),
    Row("numpy.einsum", einsum_oracle, einsum_calls, tolerance=4, examples=20),
    Row("numpy.einsum_path", None, lambda d: (lambda c: call(*c.args, **d.some(optimize=("greedy", "optimal"))))(einsums(d)),
        jit=False, vmap=False, grad=False, why="answers no arrays", compare=paths,
        fn=lambda root: lambda *args, **options: (lambda path, report: (path, str(report)))(*root.numpy.einsum_path(*args, **options))),

    Row("numpy.fft.fft", of_bool(np.fft.fft), one_axis(SHIFTED), **FFT),
    Row("numpy.fft.ifft", of_bool(np.fft.ifft), one_axis(SHIFTED), **FFT),
    Row("numpy.fft.rfft", of_bool(np.fft.rfft), one_axis(REAL_SHIFTED), **FFT),
    Row("numpy.fft.irfft", of_bool(np.fft.irfft), one_axis(SHIFTED, real=True), **FFT),
    Row("numpy.fft.hfft", of_bool(np.fft.hfft), one_axis(SHIFTED, real=True), **FFT),
    Row("numpy.fft.ihfft", of_bool(np.fft.ihfft), one_axis(REAL_SHIFTED), **FFT),
    Row("numpy.fft.fftn", nd_oracle(np.fft.fftn), many_axes(SHIFTED), **FFT),
    Row("numpy.fft.ifftn", nd_oracle(np.fft.ifftn), many_axes(SHIFTED), **FFT),
    Row("numpy.fft.rfftn", nd_oracle(np.fft.rfftn), many_axes(REAL_SHIFTED), **FFT),
    Row("numpy.fft.irfftn", nd_oracle(np.fft.irfftn), many_axes(SHIFTED, real=True), **FFT),
    Row("numpy.fft.fft2", nd_oracle(np.fft.fft2), many_axes(SHIFTED, two=True), **FFT),
    Row("numpy.fft.ifft2", nd_oracle(np.fft.ifft2), many_axes(SHIFTED, two=True), **FFT),
    Row("numpy.fft.rfft2", nd_oracle(np.fft.rfft2), many_axes(REAL_SHIFTED, two=True), **FFT),
    Row("numpy.fft.irfft2", nd_oracle(np.fft.irfft2), many_axes(SHIFTED, two=True, real=True), **FFT),
    Row("numpy.fft.fftshift", np.fft.fftshift, shifts, "same"),
    Row("numpy.fft.ifftshift", np.fft.ifftshift, shifts, "same"),
    Row("numpy.fft.fftfreq", without_dtype(np.fft.fftfreq), frequencies),
    Row("numpy.fft.rfftfreq", without_dtype(np.fft.rfftfreq), frequencies),
]
