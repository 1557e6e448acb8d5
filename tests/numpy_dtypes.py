"""Record what dtypes real JAX gives: run in an environment with jax, it writes ``numpy/dtypes.json``.

    .venv-jax/bin/python tests/numpy_dtypes.py

The table says, for each function and each pair of operand dtypes, the dtype of the result, with ``*`` if it is weakly
typed, or the class of the error. Functions of which all results are the same share one entry.
"""

import json
import pathlib
import sys
import warnings

DTYPES = ["bool", "int4", "int8", "int32", "int64", "uint8", "uint32", "uint64", "float8_e5m2", "float16", "bfloat16",
          "float32", "float64", "complex64", "complex128", "int*", "float*", "complex*"]
UNARY = """abs absolute acos acosh arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan atanh bitwise_count
bitwise_invert bitwise_not cbrt ceil conj conjugate cos cosh deg2rad degrees exp exp2 expm1 fabs floor i0 imag invert iscomplex
isfinite isinf isnan isneginf isposinf isreal log log10 log1p log2 logical_not negative nan_to_num positive rad2deg radians real
reciprocal rint round sign signbit sin sinc sinh spacing sqrt square tan tanh trunc angle zeros_like ones_like
array asarray""".split()
BINARY = """add arctan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor clip copysign divide equal
float_power floor_divide fmax fmin fmod gcd greater greater_equal heaviside hypot isclose lcm ldexp left_shift less less_equal
logaddexp logaddexp2 logical_and logical_or logical_xor maximum minimum mod multiply nextafter not_equal pow power remainder
right_shift subtract true_divide""".split()


def operand(numpy, struct, name):
    """A value of a dtype: the description of an array, or a Python number for the weak ones."""
    if name.endswith("*"):
        return {"int*": 1, "float*": 1.0, "complex*": 1j}[name]
    return struct((2,), getattr(numpy, name))


def outcome(eval_shape, fun, *args):
    """The dtype of the result, or the class of the error."""
    arrays = [x for x in args if hasattr(x, "dtype")]

    def call(*arrays):
        given = iter(arrays)
        return fun(*[next(given) if hasattr(x, "dtype") else x for x in args])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            out = eval_shape(call, *arrays)
        except Exception as error:
            return type(error).__name__
    out = out[0] if isinstance(out, tuple) else out
    return str(out.dtype) + ("*" if getattr(out, "weak_type", False) else "")


def table(jax, functions=None):
    """{x64: {function: results}}, in the order of DTYPES, binary functions row by row."""
    found = {}
    for x64 in (False, True):
        with jax.enable_x64(x64):
            names = [d for d in DTYPES if x64 or d not in ("int64", "uint64", "float64", "complex128")]
            values = {d: operand(jax.numpy, jax.ShapeDtypeStruct, d) for d in names}
            rows = {}
            for f in UNARY if functions is None else [f for f in UNARY if f in functions]:
                rows[f] = " ".join(outcome(jax.eval_shape, getattr(jax.numpy, f), values[d]) for d in names)
            for f in BINARY if functions is None else [f for f in BINARY if f in functions]:
                fun = getattr(jax.numpy, f)
                rows[f] = " ".join(outcome(jax.eval_shape, fun, values[a], values[b]) for a in names for b in names)
            found["x64" if x64 else "x32"] = rows
    return found


if __name__ == "__main__":
    import jax
    import jax.numpy

    short = {}
    for mode, rows in table(jax).items():
        groups = {}
        for f, results in rows.items():
            groups.setdefault(results, []).append(f)
        short[mode] = [{"functions": " ".join(fs), "results": results} for results, fs in groups.items()]
    path = pathlib.Path(__file__).parent / "numpy" / "dtypes.json"
    path.write_text(json.dumps({"jax": jax.__version__, **short}, indent=1) + "\n")
    print(path, path.stat().st_size, file=sys.stderr)
