"""The checks that every case of `op_table` goes through.

A `Case` is a primitive at given operands and parameters. `check` takes it through everything a primitive promises:
values and types, derivatives of first and second order, batching, and `check_dtypes` through the dtypes and odd
shapes it accepts. What can be compiled together is: one program holds all the derivatives and all the vmaps of a case.

Two recorders stand behind the checks. `Coverage` notes which rules of which primitive ran, so that a rule that no case
reaches is found; `checked_jaxprs` puts the checker behind every jaxpr that is traced meanwhile.
"""

import itertools
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass

import ml_dtypes
import numpy as np
from quick_compile import quick

import ferax
from ferax._src.api.autodiff import jvp, linearize, vjp
from ferax._src.api.jit import jit
from ferax._src.api.vmap import vmap
from ferax._src.ir.checker import check_jaxpr
from ferax._src.ir.jaxpr import ClosedJaxpr, jaxprs_in_params
from ferax._src.numpy import array_methods  # noqa: F401  (operators and methods of arrays)
from ferax._src.ops import cpu_elementwise
from ferax._src.ops.base import Elementwise
from ferax._src.ops.elementwise_complex import imag, real
from ferax._src.ops.reduce import Reduction
from ferax._src.runtime.lowering import lower_jaxpr
from ferax._src.runtime.lowering_shardings import shardings_inside
from ferax._src.tracing import core, staging
from ferax._src.transforms.linearize import Linearization
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray
from ferax._src.util import config

STEP = 1e-3             # of fourth-order central differences in float64: truncation and rounding both near 1e-12
SIZE = 5                # of the axis that vmap adds; no case has a dimension of this size
TOLERANCE = {"bfloat16": 2e-2, "float16": 4e-3, "float32": 1e-5, "float64": 1e-10, "complex64": 1e-5, "complex128": 1e-10}
NARROW = ("bfloat16", "float16")


# --- cases --------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Arg:
    """An operand: how to draw one.

    shape : of it
    low, high : the interval that elements are drawn from; of complex numbers, for both parts
    dtype : fixed dtype; None where it is the dtype that the case is run with
    distinct : whether all elements differ, by far more than the step of finite differences
    values : the very array, where drawing will not do
    """

    shape: tuple = ()
    low: float = -2.0
    high: float = 2.0
    dtype: str | None = None
    distinct: bool = False
    values: object = None

    def draw(self, rng, dtype, shape=None):
        dtype = np.dtype(getattr(ml_dtypes, self.dtype or dtype, None) or self.dtype or dtype)
        if self.values is not None:
            return np.asarray(self.values).astype(dtype)
        shape = self.shape if shape is None else shape
        x = self.numbers(rng, shape)
        match dtypes.kind_of(dtype):
            case "c":
                x = x + 1j * self.numbers(rng, shape)
            case "b":
                x = x > (self.low + self.high) / 2
            case "i":
                x = np.round(x)
            case "u":
                x = np.abs(np.round(x))
        return np.asarray(x).astype(dtype)

    def numbers(self, rng, shape):
        if self.distinct:
            n = int(np.prod(shape))
            return (self.low + (self.high - self.low) * (rng.permutation(n) + rng.uniform(0.3, 0.7, n)) / max(n, 1)).reshape(shape)
        return rng.uniform(self.low, self.high, shape)


@dataclass(frozen=True)
class Case:
    """A primitive at given operands.

    primitive : its name
    fn : callable on the operands, answering an array or a list; applies the primitive
    args : how to draw the operands
    oracle : the same in NumPy, if it has it, for operands of 64 bits, and of integers of any size
    dtype : that the checks of values, derivatives and vmap use
    diff : operands to differentiate by
    mapped : operands that vmap may map; by default all
    kinds : further dtypes that `check_dtypes` runs the case with
    shapes : further shapes of all operands, for `check_dtypes`
    reaches : rules the case is there to reach, besides those that any case with its ``diff`` and ``mapped`` does
    linear : whether its transpose rule is reached by differentiating it
    tangent : ``(*diff operands, *tangents) -> tangents``, where they are not the limits of differences
    forward, reverse : whether derivatives of that mode exist
    hidden : whether the primitive is not in the jaxpr of ``fn``, but comes up while that is transformed
    tolerance : factor on tolerances
    second : whether to check derivatives of second order
    label : to tell apart cases of one primitive
    """

    primitive: str
    fn: Callable
    args: tuple
    oracle: Callable | None = None
    dtype: str = "float64"
    diff: tuple = ()
    mapped: tuple | None = None
    kinds: tuple = ()
    shapes: tuple = ()
    reaches: tuple = ()
    linear: bool = False
    tolerance: float = 1.0
    second: bool = True
    tangent: Callable | None = None
    forward: bool = True
    reverse: bool = True
    hidden: bool = False
    label: str = ""

    @property
    def id(self) -> str:
        return f"{self.primitive}-{self.label}" if self.label else self.primitive

    def draw(self, seed, dtype=None, shapes=None) -> list:
        rng = np.random.default_rng(seed)
        return [a.draw(rng, dtype or self.dtype, None if shapes is None else shapes[i]) for i, a in enumerate(self.args)]

    def run(self, *xs) -> list:
        out = self.fn(*xs)
        return list(out) if isinstance(out, (list, tuple)) else [out]

    def along(self, args, which):
        """The results that have derivatives, as a function of the operands ``which``."""
        def f(*xs):
            full = list(args)
            for i, x in zip(which, xs):
                full[i] = x
            return [y for y in self.run(*full) if core.is_active_dtype(y.dtype)]
        return f

    def batched_sets(self) -> list[dict]:
        """For each set of mapped operands, the places of the mapped axis: all first, all last, and for two both."""
        mapped = range(len(self.args)) if self.mapped is None else self.mapped
        sets = []
        for n in range(1, len(mapped) + 1):
            for subset in itertools.combinations(mapped, n):
                last = {i: len(self.args[i].shape) for i in subset}
                sets.append({i: 0 for i in subset})
                if any(last.values()):
                    sets.append(last)
                if n == 2 and len(mapped) < 4 and any(last.values()):
                    sets.append({subset[0]: 0, subset[1]: last[subset[1]]})
        return sets

    def expected_rules(self) -> set:
        """The rules that must have run when the case has been checked."""
        p = primitive(self.primitive)
        rules = set(self.reaches)
        if self.diff and not self.hidden:
            rules.add("jvp")
            if isinstance(p, Elementwise):
                rules |= {f"derivative {i}" for i in self.diff if p.derivatives[i] is not None}
        if self.args and self.mapped != () and not self.hidden:
            rules.add("batch")
        if self.linear:
            rules.add("transpose")
        return rules & set(rules_of(p))


@dataclass(frozen=True)
class Refusal:
    """A rule that is there to raise an error: what reaches it, and what it says."""

    primitive: str
    rule: str
    call: Callable
    error: type
    text: str

    @property
    def id(self) -> str:
        return f"{self.primitive}-{self.rule}"


def primitive(name: str):
    """The registered primitive of a name."""
    (found,) = [p for p in core.all_primitives() if p.name == name]
    return found


def bind(name: str, /, **params):
    """A primitive with its parameters as a function of the operands."""
    def fn(*xs):
        return primitive(name).bind(*xs, **params)
    return fn


# --- which rules run ----------------------------------------------------------------------------

_RULES = ("jvp", "transpose", "batch", "partial_eval", "dce")
_NOT_RULES = (core.Primitive, Elementwise, Reduction)   # whose methods serve whole families, and need not apply to each


def rules_of(p) -> list[str]:
    """The rules that a primitive has."""
    rules = []
    for rule in _RULES:
        owner = next((c for c in type(p).__mro__ if rule in vars(c)), core.Primitive)
        if owner not in _NOT_RULES or rule == "batch" and owner is not core.Primitive:
            rules.append(rule)
    if isinstance(p, Elementwise):
        if p.linear_in and "transpose" not in rules:
            rules.append("transpose")
        rules += [f"derivative {i}" for i, d in enumerate(p.derivatives) if d is not None]
    return rules


class Coverage:
    """Notes which rules run: ``reached`` is a set of (name of the primitive, rule).

    Rules are traced once and cached, so the caches of traced rules are emptied first.
    """

    def __init__(self):
        self.reached: set = set()

    def __enter__(self):
        self.saved = []
        for p in core.all_primitives():
            p.rule_cache.clear()
            for rule in _RULES:
                if hasattr(p, rule):
                    setattr(p, rule, self.noting(p, rule, getattr(p, rule)))
            if isinstance(p, Elementwise):
                self.saved.append((p, p.derivatives))
                p.derivatives = tuple([d if d is None else self.noting(p, f"derivative {i}", d)
                                       for i, d in enumerate(p.derivatives)])
        return self

    def __exit__(self, *exc):
        for p in core.all_primitives():
            for rule in _RULES:
                vars(p).pop(rule, None)
        for p, derivatives in self.saved:
            p.derivatives = derivatives

    def noting(self, p, rule, fn):
        def noted(*args, **kwargs):
            self.reached.add((p.name, rule))
            return fn(*args, **kwargs)
        return noted


@contextmanager
def checked_jaxprs():
    """Check every jaxpr that is traced."""
    finish = staging.JaxprTrace.finish

    def checked(self, outs):
        closed = finish(self, outs)
        check_jaxpr(closed)
        return closed

    staging.JaxprTrace.finish = checked
    try:
        yield
    finally:
        staging.JaxprTrace.finish = finish


def check_cached(cache: dict, seen=None) -> None:
    """Check the programs that rules have left in a cache; those that are cut out of others are not traced."""
    seen = set() if seen is None else seen
    for found in list(cache.values()):
        for item in found if isinstance(found, tuple) else (found,):
            programs = [item.split.known, item.split.unknown] if isinstance(item, Linearization) else [item]
            for program in programs:
                if isinstance(program, ClosedJaxpr) and id(program) not in seen:
                    seen.add(id(program))
                    check_jaxpr(program)
                    check_cached(program.cache, seen)


def holds(closed, name: str) -> bool:
    """Whether an equation of a jaxpr, or of one inside it, is of the primitive ``name``."""
    return any(eqn.primitive.name == name or any(holds(sub, name) for sub in jaxprs_in_params(eqn.params)) for eqn in closed.eqns)


# --- comparing ----------------------------------------------------------------------------------

def numpy_of(xs) -> list:
    return [np.asarray(x) for x in xs]


def wide(x):
    """A NumPy array with enough precision for an oracle."""
    match dtypes.kind_of(x.dtype):
        case "f":
            return x.astype(np.float64)
        case "c":
            return x.astype(np.complex128)
        case _:
            return x


def close(found, wanted, tolerance, what: str) -> None:
    """Compare lists of arrays, errors relative to the largest element."""
    assert len(found) == len(wanted), f"{what}: {len(found)} results instead of {len(wanted)}"
    for i, (a, b) in enumerate(zip(found, wanted)):
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape, f"{what}, result {i}: shape {a.shape} instead of {b.shape}"
        a, b = wide(a), wide(b)
        if a.dtype.kind not in "fc" and b.dtype.kind not in "fc":
            np.testing.assert_array_equal(a, b, err_msg=f"{what}, result {i}")
            continue
        size = np.abs(b[np.isfinite(b)]).max(initial=0.0)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(size, 1e-2), err_msg=f"{what}, result {i}")


def pairing(cts, ts) -> float:
    """How cotangents act on tangents: ``Re sum(ct * t)``, without conjugation."""
    return sum(float(np.real(np.sum(np.asarray(ct) * np.asarray(t)))) for ct, t in zip(cts, ts, strict=True))


def difference(f, xs, ts) -> list:
    """The derivative of ``f`` at ``xs`` along ``ts``, by central differences of fourth order."""
    at = {k: numpy_of(f(*[x + k * STEP * t for x, t in zip(xs, ts)])) for k in (-2, -1, 1, 2)}
    return [(8 * (at[1][i] - at[-1][i]) - (at[2][i] - at[-2][i])) / (12 * STEP) for i in range(len(at[1]))]


def directions(seed, like) -> list:
    """Random numbers of the shapes and dtypes of ``like``."""
    rng = np.random.default_rng(seed)
    out = []
    for x in like:
        t = rng.uniform(-1, 1, x.shape)
        if dtypes.kind_of(x.dtype) == "c":
            t = t + 1j * rng.uniform(-1, 1, x.shape)
        out.append(np.asarray(t).astype(x.dtype))
    return out


# --- the checks ---------------------------------------------------------------------------------

def compiled(f):
    """``f`` jitted, with as little work for LLVM as may be; what it means is no other. Eager operations have their usual options."""
    return jit(f, compiler_options=quick(ferax))


def check(case: Case) -> None:
    """Values and types, derivatives, batching, at the case's own dtype."""
    with config.enable_x64(True):
        args = case.draw(0)
        outs = case.run(*args)
        found = check_types(case, args, outs)
        if case.oracle is not None:
            with np.errstate(all="ignore"):
                wanted = case.oracle(*args)
            wanted = wanted if isinstance(wanted, (list, tuple)) else [wanted]
            close(found, wanted, 1e-10 * case.tolerance, "against NumPy")

        active = [y for y in outs if core.is_active_dtype(y.dtype)]
        data = {
            "args": args,
            "variants": [np.stack(column) for column in zip(*[case.draw(10 + k) for k in range(SIZE)])],
            "t": directions(1, [args[i] for i in case.diff]),
            "ct": directions(2, active),
            "s": directions(3, [args[i] for i in case.diff]),
            "u": directions(4, [args[i] for i in case.diff]),
        }
        got = {name: numpy_of(value) for name, value in compiled(lambda data: gathered(case, data))(data).items()}
        close(got["f"], found, 1e-12, "jit against eager")
        if case.diff:
            check_derivatives(case, data, got, active)
        check_vmaps(case, data, got)
        check_cached(primitive(case.primitive).rule_cache)


def check_types(case: Case, args, outs) -> list:
    """The type rule against what the compiled program answers."""
    avals = [ShapedArray(a.shape, dtypes.as_dtype(a.dtype)) for a in args]
    closed = staging.trace_to_jaxpr(lambda *xs: case.run(*xs), avals)
    assert case.hidden or holds(closed, case.primitive), f"the case does not apply {case.primitive}: {closed}"
    for eqn in closed.eqns:
        for program in jaxprs_in_params(eqn.params):
            if isinstance(program, ClosedJaxpr):
                check_cached(program.cache)
    found = numpy_of(outs)
    for array, out, aval in zip(found, outs, closed.out_avals, strict=True):
        assert array.shape == aval.shape == out.shape
        assert array.dtype == aval.dtype == out.dtype
    return found


def gathered(case: Case, data) -> dict:
    """Everything that is to be computed of a case, as one program."""
    args, t, ct = data["args"], data["t"], data["ct"]
    out = {"f": case.run(*args)}
    if case.diff:
        xs = [args[i] for i in case.diff]
        full = case.along(args, case.diff)
        if case.forward:
            out["jvp"] = tangents_of(case, args, xs, t)
        if ct and not case.reverse:
            out["linearized"] = list(linearize(full, *xs)[1](*t))
        if ct and case.reverse:
            out["vjp"] = list(vjp(full, *xs)[1](ct))
            pull = lambda *xs: list(vjp(full, *xs)[1](ct))
            if case.second:
                out["jvp of vjp"] = jvp(pull, xs, data["s"])[1]
                out["vjp of vjp"] = list(vjp(pull, *xs)[1](data["u"]))
            for k, i in enumerate(case.diff if len(case.diff) > 1 else ()):
                one = case.along(args, (i,))
                if case.forward:
                    out[f"jvp {k}"] = jvp(one, (xs[k],), (t[k],))[1]
                out[f"vjp {k}"] = list(vjp(one, xs[k])[1](ct))
            for j in (0, len(ct) - 1) if len(ct) > 1 else ():       # the other results without a cotangent
                out[f"vjp of result {j}"] = list(vjp(lambda *xs: full(*xs)[j], *xs)[1](ct[j]))
                zeros = [y if k == j else y * 0 for k, y in enumerate(ct)]
                out[f"vjp with ct {j}"] = list(vjp(full, *xs)[1](zeros))
            rows = [data["variants"][i] for i in case.diff]
            if rows and case.mapped is None:
                out["vmap of vjp"] = vmap(lambda *xs: list(vjp(full, *xs)[1](ct)))(*rows)
    for k, places in enumerate(case.batched_sets()):
        operands = [_moved(data["variants"][i], places[i]) if i in places else x for i, x in enumerate(args)]
        out[f"vmap {k}"] = vmap(case.run, in_axes=tuple([places.get(i) for i in range(len(args))]))(*operands)
    return out


def tangents_of(case: Case, args, xs, t) -> list:
    """Tangents of all results that have any; of the others they must be float0."""
    full = list(args)

    def f(*xs):
        for i, x in zip(case.diff, xs):
            full[i] = x
        return case.run(*full)

    outs, tangents = jvp(f, xs, t)
    for y, dy in zip(outs, tangents, strict=True):
        assert dy.shape == y.shape
        assert dy.dtype == dtypes.tangent_dtype(y.dtype), f"a tangent of dtype {dy.dtype} for a result of dtype {y.dtype}"
    return [dy for y, dy in zip(outs, tangents) if core.is_active_dtype(y.dtype)]


def _moved(x, to: int):
    """The first axis at place ``to``."""
    return np.moveaxis(x, 0, to) if isinstance(x, np.ndarray) else _transpose(x, (*range(1, to + 1), 0, *range(to + 1, x.ndim)))


def _transpose(x, permutation):
    return primitive("transpose").bind(x, permutation=permutation)[0]


def check_derivatives(case: Case, data, got, active) -> None:
    tol = 1e-6 * case.tolerance
    args, t, ct, s = (data[name] for name in ("args", "t", "ct", "s"))
    xs = [args[i] for i in case.diff]
    f = case.along(args, case.diff)
    slope = difference(f, xs, t) if case.tangent is None else case.tangent(*xs, *t)
    if case.forward:
        close(got["jvp"], slope, tol, "jvp against finite differences")
        close(numpy_of(jvp(f, xs, t)[1]), got["jvp"], 1e-10, "eager jvp against jitted")
    if "linearized" in got:
        close(got["linearized"], got["jvp"], 1e-10, "linearize against jvp")
    if "vjp" not in got:
        return
    for x, dx in zip(xs, got["vjp"], strict=True):
        assert (dx.shape, dx.dtype) == (x.shape, x.dtype), f"the cotangent of a {x.dtype}{x.shape} is a {dx.dtype}{dx.shape}"
    pull = lambda *xs: numpy_of(vjp(f, *xs)[1](ct))
    close(pull(*xs), got["vjp"], 1e-10, "eager vjp against jitted")
    pushed = got["jvp"] if case.forward else slope
    near(pairing(got["vjp"], t), pairing(ct, pushed), [*got["vjp"], *ct], "vjp against jvp")
    if "jvp of vjp" in got:
        close(got["jvp of vjp"], difference(pull, xs, s), tol, "jvp of vjp against finite differences of vjp")
        near(pairing(got["vjp of vjp"], s), pairing(data["u"], got["jvp of vjp"]),
             [*got["vjp of vjp"], *got["jvp of vjp"]], "vjp of vjp against jvp of vjp")
    if len(case.diff) > 1:
        if case.forward:
            close([sum(got[f"jvp {k}"][j] for k in range(len(xs))) for j in range(len(active))], got["jvp"], 1e-10,
                  "jvps along one operand, added up")
        for k in range(len(xs)):
            close(got[f"vjp {k}"], got["vjp"][k:k + 1], 1e-10, f"vjp of operand {k} alone")
    for j in range(len(ct)):
        if f"vjp of result {j}" in got:
            close(got[f"vjp of result {j}"], got[f"vjp with ct {j}"], 1e-10, f"vjp of result {j} alone")
    if "vmap of vjp" in got:
        rows = [data["variants"][i] for i in case.diff]
        wanted = [np.stack(column) for column in zip(*[pull(*[r[k] for r in rows]) for k in range(SIZE)])]
        close(got["vmap of vjp"], wanted, 1e-10, "vmap of vjp against a loop")


def near(a: float, b: float, terms, what: str) -> None:
    size = max([1.0, *[float(np.abs(x).max(initial=0)) for x in terms]])
    rough = any(x.dtype.name in ("float32", "complex64") for x in terms)
    assert abs(a - b) <= (1e-5 if rough else 1e-8) * size, f"{what}: {a} and {b}"


def check_vmaps(case: Case, data, got) -> None:
    args, variants = data["args"], data["variants"]
    rows: dict = {}
    for k, places in enumerate(case.batched_sets()):
        subset = tuple(places)
        if subset not in rows:
            loop = [numpy_of(case.run(*[variants[i][j] if i in places else x for i, x in enumerate(args)])) for j in range(SIZE)]
            rows[subset] = [np.stack(column) for column in zip(*loop)]
        close(got[f"vmap {k}"], rows[subset], 1e-10, f"vmap with in_axes {places} against a loop")


# --- other forms of the program -----------------------------------------------------------------

def check_plain_form(case: Case, interpreter) -> bool:
    """The form that lowering chooses for the CPU, where there is one, against the plain one; that against the interpreter.

    Answers whether the interpreter knows the case's operations.
    """
    groups: dict = {False: [], True: []}
    for kind, args in [(case.dtype, case.draw(0)), *[(k, case.draw(7, k)) for k in case.kinds if k != case.dtype]]:
        groups[kind != case.dtype and not needs_x64(kind)].append(args)
    for narrow, runs in groups.items():
        if runs:
            _check_forms(case, runs, x64=not narrow)
    return _check_interpreted(case, groups[False][0], interpreter)


def _check_forms(case: Case, runs, x64: bool) -> None:
    def lowered(form):
        with config.cpu_lowerings(form):
            return compiled(lambda runs: [case.run(*args) for args in runs]).lower(runs)

    with config.enable_x64(x64), patched_small():
        quick, plain = lowered("fast"), lowered("plain")
        if quick.as_text() == plain.as_text():
            return
        found, wanted = quick.compile()(runs), plain.compile()(runs)
    for args, a, b in zip(runs, found, wanted):
        tolerance = max([TOLERANCE.get(str(x.dtype), 0.0) for x in (*args, *a)]) * case.tolerance
        close(a, b, tolerance, f"{args[0].dtype if args else case.dtype}: the CPU's form against the plain one")


@contextmanager
def patched_small():
    """Let arrays of any size have the forms that are worth while for large ones only."""
    saved, cpu_elementwise.SMALL = cpu_elementwise.SMALL, 1
    try:
        yield
    finally:
        cpu_elementwise.SMALL = saved


def _check_interpreted(case: Case, args, interpreter) -> bool:
    def parts(*xs):                             # the interpreter knows complex numbers, but hands out none
        return [part for y in case.run(*xs) for part in ([real(y), imag(y)] if dtypes.kind_of(y.dtype) == "c" else [y])]

    with config.enable_x64(True):
        with config.cpu_lowerings("plain"):
            avals = [ShapedArray(a.shape, dtypes.as_dtype(a.dtype)) for a in args]
            closed = staging.trace_to_jaxpr(parts, avals)
            if shardings_inside(closed):        # it knows one device
                return False
            low = lower_jaxpr(closed)
        inputs = numpy_of(low.const_args) + [a for a, kept in zip(args, low.kept) if kept]
        found = interpreter.run(low.as_text(), inputs)
        if found is not None:
            tolerance = TOLERANCE.get(case.dtype, 1e-10) * case.tolerance
            close(found, numpy_of(parts(*args)), tolerance, "the reference interpreter against XLA")
    return found is not None


# --- extreme values -----------------------------------------------------------------------------

#: Elementwise primitives that mean something else than their oracles at infinities, zeros or poles.
OTHER_AT_EXTREMES = {
    "eq_to": "total order", "lt_to": "total order", "le_to": "total order",
    "nextafter": "the next number of the dtype", "complex": "the oracle multiplies by 1j", "conj": "the oracle adds 0j",
    "lgamma": "of -inf is inf here, the limit of log |gamma|",
    **dict.fromkeys(("digamma", "polygamma", "zeta"), "poles are NaN here, and inf in SciPy"),
    **dict.fromkeys(("igamma", "igammac", "igamma_grad_a", "random_gamma_grad", "regularized_incomplete_beta"),
                    "no numbers where an operand is infinite or near it"),
}
#: Those that answer a zero of another sign than the oracle.
OTHER_ZERO = {"max", "min", "clamp", "sign", "erf_inv", "bessel_i1e"}


def check_extremes(cases, dtype: str) -> None:
    """Elementwise cases with oracles at infinities, NaN, zeros of both signs and the ends of the range, in one program.

    Of each primitive the first case is taken, and all of those with a parameter. They run on zero-dimensional arrays and on arrays
    without elements too.
    """
    taken = {}
    for case in cases:
        if (isinstance(primitive(case.primitive), Elementwise) and case.oracle is not None and case.dtype == "float64"
                and all(a.dtype is None for a in case.args) and case.primitive not in OTHER_AT_EXTREMES):
            taken.setdefault(case.id if case.primitive in ("integer_pow", "round") else case.primitive, case)
    taken = list(taken.values())
    info = np.finfo(dtype)
    values = np.array([0.0, -0.0, 1, -1, 0.5, -2, 3, np.inf, -np.inf, np.nan, info.max, info.min, info.tiny, -info.tiny, info.eps], dtype)
    given = [[g.ravel() for g in np.meshgrid(*[values] * len(case.args))] for case in taken]
    scalars = [[np.asarray(x[4]) for x in args] for args in given]
    empty = [[x[:0].reshape(0, 3) for x in args] for args in given]
    with config.enable_x64(True):
        found = compiled(lambda *runs: [[case.run(*args) for case, args in zip(taken, run)] for run in runs])(given, scalars, empty)
    for case, args, *outs in zip(taken, given, *found):
        with np.errstate(all="ignore"):
            wanted = case.oracle(*[x.astype(np.float64) for x in args])
            wanted = [np.asarray(b).astype(a.dtype) for a, b in zip(
                outs[0], wanted if isinstance(wanted, (list, tuple)) else [wanted], strict=True)]
        for a, scalar, nothing, b in zip(*outs, wanted):
            what = f"{case.id} of {dtype}"
            assert (scalar.shape, nothing.shape) == ((), (0, 3)) and a.dtype == scalar.dtype == nothing.dtype, what
            a = np.asarray(a)
            np.testing.assert_allclose(np.asarray(scalar), a[4], rtol=TOLERANCE[dtype], err_msg=what)
            same = np.isclose(a, b, rtol=TOLERANCE[dtype], atol=info.tiny, equal_nan=True)
            if a.dtype.kind == "f" and case.primitive not in OTHER_ZERO:
                same &= (b != 0) | (np.signbit(a) == np.signbit(b))
            wrong = [(*[x[i] for x in args], a[i], b[i]) for i in np.flatnonzero(~same)]
            assert not wrong, f"{what}: operands, result, result of the oracle: {wrong[:5]}"


# --- dtypes and odd shapes ----------------------------------------------------------------------

def check_dtypes(case: Case) -> None:
    """The case in further dtypes and shapes, derivatives included; x64 is on only for dtypes that need it."""
    small = "float32" if "float32" in case.kinds else case.kinds[0] if case.kinds else case.dtype
    runs = [(k, case.draw(7, k)) for k in case.kinds] + [(small, case.draw(8, small, shapes)) for shapes in case.shapes]
    given = [(args, directions(1, [args[i] for i in case.diff]) if _is_active(case, args) else []) for _, args in runs]
    wide_given = [([wide(x) for x in args], [wide(x) for x in t]) for args, t in given if t]

    def run(given):
        return [_derivatives(case, args, t) for args, t in given]

    narrow_runs = [i for i, (kind, _) in enumerate(runs) if not needs_x64(kind)]
    with config.enable_x64(False):
        narrow = iter(compiled(run)([given[i] for i in narrow_runs]) if narrow_runs else ())
    with config.enable_x64(True):               # the runs in 64 bits, and what the derivatives in fewer bits are compared with
        both = compiled(lambda given, reference: (run(given), run(reference)))
        long, reference = map(iter, both([g for i, g in enumerate(given) if i not in narrow_runs], wide_given))
    for i, ((kind, args), (_, t)) in enumerate(zip(runs, given)):
        found = next(narrow if i in narrow_runs else long)
        wanted = next(reference) if t else {}
        what = f"{kind}{[a.shape for a in args]}"
        _check_dtype(case, what, kind, args, *[{name: numpy_of(v) for name, v in result.items()} for result in (found, wanted)])


def needs_x64(dtype: str) -> bool:
    return dtype in ("float64", "int64", "uint64", "complex128")


def _is_active(case, args) -> bool:
    return bool(case.diff) and case.forward and all(core.is_active_dtype(args[i].dtype) for i in case.diff)


def _derivatives(case, args, t) -> dict:
    out = {"f": case.run(*args)}
    if t:
        points = [args[i] for i in case.diff]
        out["jvp"] = tangents_of(case, args, points, t)
        if case.reverse and out["jvp"]:
            f = case.along(args, case.diff)
            out["vjp"] = list(vjp(f, *points)[1]([np.ones(y.shape, y.dtype) for y in out["jvp"]]))
    return out


def _check_dtype(case, what, kind, args, got, reference) -> None:
    tol = max([TOLERANCE.get(str(x.dtype), 0.0) for x in (*args, *got["f"])]) * case.tolerance
    if case.oracle is not None:
        with np.errstate(all="ignore"):
            wanted = case.oracle(*[wide(a) if kind in TOLERANCE else a for a in args])
        wanted = numpy_of(wanted if isinstance(wanted, (list, tuple)) else [wanted])
        close(got["f"], wanted, tol or 1e-10, f"{what} against NumPy")
    for x, dx in zip([args[i] for i in case.diff], got.get("vjp", ())):
        assert (dx.shape, dx.dtype) == (x.shape, x.dtype), f"{what}: the cotangent of a {x.dtype} is a {dx.dtype}"
    for name in ("jvp", "vjp"):
        if name in got:
            close(got[name], reference[name], 20 * tol, f"{what}: {name} against one in 64 bits")
