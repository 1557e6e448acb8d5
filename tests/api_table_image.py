"""Rows of `image`: resampling, against its matrices of weights written down one weight at a time."""

import enum

import numpy as np
from api_draw import Draw, call
from api_harness import Elsewhere, Refusal, Row

METHODS = ("linear", "nearest", "cubic", "lanczos3", "lanczos5", "area", "cubic-pytorch", "bilinear", "bicubic", "triangle", "trilinear",
           "tricubic", "bicubic-pytorch")
SAME = {"bilinear": "linear", "trilinear": "linear", "triangle": "linear", "bicubic": "cubic", "tricubic": "cubic",
        "bicubic-pytorch": "cubic-pytorch"}


# --- weights, from the definitions of the kernels ----------------------------------------------------

def keys_cubic(x, a):
    """Keys 1981, equation 15."""
    if x <= 1:
        return (a + 2) * x ** 3 - (a + 3) * x ** 2 + 1
    return a * (x ** 3 - 5 * x ** 2 + 8 * x - 4) if x < 2 else 0.0


def kernel(method, x):
    x = abs(x)
    match method:
        case "linear":
            return max(0.0, 1 - x)
        case "cubic":
            return keys_cubic(x, -0.5)
        case "lanczos3" | "lanczos5":
            radius = int(method[-1])
            return np.sinc(x) * np.sinc(x / radius) if x < radius else 0.0


def weights(n, m, scale, translation, method, antialias):
    """What each of n pixels is to each of m: the kernel at their distance, so that they add up to 1."""
    found = np.zeros((m, n))
    pytorch = method == "cubic-pytorch" and not antialias
    method = "cubic" if method == "cubic-pytorch" else method
    width = max(1.0, 1 / scale) if antialias else 1.0
    for i in range(m):
        middle = (i + 0.5 - translation) / scale - 0.5
        if not (pytorch or -0.5 - 1e-9 <= middle <= n - 0.5 + 1e-9):
            continue
        if method == "area":
            low, high = (i - translation) / scale, (i + 1 - translation) / scale
            row = [max(0.0, min(high, j + 1) - max(low, j)) for j in range(n)]
        elif pytorch:
            row = [0.0] * n
            for j in range(-2, n + 2):                              # border pixels are repeated twice
                row[min(max(j, 0), n - 1)] += keys_cubic(abs(middle - j), -0.75)
        else:
            row = [kernel(method, (middle - j) / width) for j in range(n)]
        total = sum(row)
        found[i] = [w / total for w in row] if abs(total) > 1e-4 else 0
    return found


def resampled(x, sizes):
    """Along each axis, the product with a matrix of weights."""
    for axis, w in sizes.items():
        x = np.moveaxis(np.tensordot(w, x, (1, axis)), 0, axis)
    return x


def resize(x, shape, method, antialias=True, precision=None):
    method = method.lower().replace("_", "-") if isinstance(method, str) else method.name.lower().replace("_", "-")
    method = SAME.get(method, method)
    x = np.asarray(x)
    if method == "nearest":
        for axis, (n, m) in enumerate(zip(x.shape, shape)):
            if n != m:
                x = np.take(x, ((np.arange(m) + 0.5) * n / m).astype(int), axis)
        return x
    return resampled(x, {a: weights(n, m, max(m, 1) / n, 0.0, method, antialias) for a, (n, m) in enumerate(zip(x.shape, shape)) if n != m})


def scale_and_translate(x, shape, dims, scale, translation, method, antialias=True, precision=None):
    found = {d: weights(x.shape[d], shape[d], s, t, SAME.get(method, method), antialias) for d, s, t in zip(dims, scale, translation)}
    return resampled(np.asarray(x), found)


# --- calls --------------------------------------------------------------------------------------

class Method(enum.Enum):
    """Stands for the library's `ResizeMethod` of the same name."""

    LINEAR, CUBIC_PYTORCH, NEAREST, AREA = range(4)


def own_method(root):
    def run(x, shape, method, *args, **options):
        if isinstance(method, Method):
            method = root.image.ResizeMethod[method.name]
        return root.image.resize(x, shape, method, *args, **options)
    return run


def resize_calls(d: Draw):
    kinds = ("float32", "bfloat16", "float64", "float16", "int32", "uint8", "complex64")
    x = d.array(kinds, d.shape(1, 3, empty=False, sizes=(4, 3, 5, 1)), special=False)
    shape = tuple(d.pick(n, 2 * n, 2, 7, 3, 1) for n in x.shape)
    if not d.traced and d.integer(0, 9) == 9:
        shape = (0, *shape[1:])
    method = d.pick(*METHODS, *Method)
    return call(x, shape, method, **d.some(antialias=(False, True), precision=("highest",)))


def moving_calls(d: Draw):
    x = d.array(("float32", "float64", "bfloat16", "int32"), d.shape(1, 3, empty=False, sizes=(4, 3, 5)), special=False)
    dims = tuple(a for a in range(x.ndim) if d.flag()) or (0,)
    shape = tuple(d.pick(n, 2, 6) if a in dims else n for a, n in enumerate(x.shape))
    numbers = "float64" if d.smooth or x.dtype == np.float64 else "float32"
    scale = d.array((numbers,), (len(dims),), 0.45, 1.9, special=False)
    moved = d.array((numbers,), (len(dims),), -1.3, 1.7, special=False)
    smooth = ("cubic", "lanczos3", "lanczos5")                          # with derivatives by place
    method = d.pick(*(smooth if d.smooth else ("linear", "cubic", "lanczos3", "lanczos5", "cubic-pytorch", "bilinear")))
    return call(x, shape, dims, scale, moved, method, **d.some(antialias=(False, True)))


ROWS = [
    Row("image.resize", resize, resize_calls, fn=own_method, tolerance=20.0, examples=16),
    Row("image.scale_and_translate", scale_and_translate, moving_calls, tolerance=30.0, slack=10.0, second=False, examples=10),
    Elsewhere("image.ResizeMethod", "image/test_resize.py"),
]

X = np.zeros((3, 4), np.float32)


def refuse(name, call, error, text, label=""):
    return Refusal(f"image.{name}", lambda root: call(root.image), error, text, label)


REFUSALS = [
    refuse("resize", lambda image: image.resize(X, (3,), "linear"), ValueError, "shape must have a size for each dimension"),
    refuse("resize", lambda image: image.resize(X, (3, 4), "linearly"), ValueError, "Unknown resize method \"linearly\"", "method"),
    refuse("resize", lambda image: image.resize(X, (3, -4), "linear"), (ValueError, TypeError), "-4|negative", "negative"),
    refuse("resize", lambda image: image.resize([[1.0]], (3, 4), "linear"), TypeError, "list", "list"),
    refuse("resize", lambda image: image.resize(X, (3, 2.5), "linear"), TypeError, "2.5", "float"),
    refuse("scale_and_translate", lambda image: image.scale_and_translate(X, (3, 4), (0,), np.ones(2), np.ones(1), "linear"), ValueError,
           r"scale must have shape \(1,\)"),
    refuse("scale_and_translate", lambda image: image.scale_and_translate(X, (3, 4), (5,), np.ones(1), np.ones(1), "linear"), ValueError,
           "5 is out of bounds", "axis"),
    refuse("scale_and_translate", lambda image: image.scale_and_translate(X, (3, 4), (0,), np.ones(1), np.ones(1), "nearest"), ValueError,
           "nearest", "nearest"),
]
