"""Evaluation, compiled programs, the call path and fused functions."""

import threading

import numpy as np
import pytest

from ferax._src.api.jit import jit
from ferax._src.engine import DeletedArrayError
from ferax._src.ir.jaxpr import no_effects
from ferax._src.ops.compare import lt
from ferax._src.ops.elementwise import add, div, log, mul, sin
from ferax._src.runtime import callbacks, devices
from ferax._src.runtime.array import ArrayImpl
from ferax._src.runtime.effects import effects_barrier
from ferax._src.runtime.fused import fused
from ferax._src.runtime.program import compile_program
from ferax._src.runtime.transfer import array_from_host, device_put
from ferax._src.tracing.core import Primitive
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.types.avals import ShapedArray
from ferax._src.types.shardings import GSPMDSharding, Mesh, NamedSharding, PartitionSpec
from ferax._src.util import config

ones = lambda n=3: array_from_host(np.ones(n, np.float32))


def rows():
    return NamedSharding(Mesh(np.array(devices.devices()[:4]), ("x",)), PartitionSpec("x"))


class HalfPrecise(Primitive):
    """An addition with a parameter, for looking at caches."""

    name = "half_precise"

    def abstract_eval(self, x, y, *, note):
        return [x]

    def lower(self, ctx, x, y, *, note):
        return ctx.emit("stablehlo.add", (x, y))


# --- primitives ---------------------------------------------------------------------------------

def test_one_program_for_each_kind_of_argument():
    p = HalfPrecise()
    p.bind(ones(), ones(), note=1)
    p.bind(ones(), ones(), note=1)
    assert len(p.exec_cache) == 1
    p.bind(ones(4), ones(4), note=1)
    p.bind(ones(), ones(), note=2)
    assert len(p.exec_cache) == 3
    with pytest.raises(TypeError, match="note must be hashable"):
        p.bind(ones(), ones(), note=[1])


def test_scalars_and_numpy_values_are_arguments():
    assert add(ones(), 1).tolist() == [2, 2, 2]
    assert add(ones(), np.float32(2)).tolist() == [3, 3, 3]
    assert add(np.ones(3, np.float32), np.ones(3, np.float32)).tolist() == [2, 2, 2]
    with pytest.raises(TypeError):
        add(ones(), "a")


def test_weak_types_are_told_apart():
    strong, weak = array_from_host(1.0), array_from_host(1.0, weak_type=True)
    assert not add(strong, strong).weak_type and add(weak, weak).weak_type


def test_committed_arguments_decide_where():
    second, third = devices.devices()[1:3]
    x = device_put(ones(), second)
    y = add(x, ones())
    assert y.device is second and y.committed
    assert add(x, 1).device is second and not add(ones(), 1).committed
    with pytest.raises(ValueError, match="Received incompatible devices for jitted computation.*device ids \\[1\\]"
                                         ".*and.*device ids \\[2\\]"):
        add(x, device_put(ones(), third))
    with config.default_device(third):
        assert add(array_from_host(np.ones(3)), 1).device is third
    assert add(ones(), 1).device is devices.devices()[0]


def test_sharded_arguments():
    value = np.arange(8, dtype=np.float32)
    x = device_put(value, rows())
    y = add(mul(x, 2), x)
    assert y.sharding is rows() and y.tolist() == (value * 3).tolist()
    assert add(x, array_from_host(value)).tolist() == (value * 2).tolist()      # the uncommitted one comes along
    assert add(x, 1).tolist() == (value + 1).tolist()
    f = jit(lambda a, b: (add(a, b), b))
    out, same = f(x, array_from_host(value))
    assert out.tolist() == (2 * value).tolist() and isinstance(out.sharding, (NamedSharding, GSPMDSharding))
    with pytest.raises(ValueError, match="incompatible devices"):
        add(x, device_put(value, devices.devices()[1]))


def test_deleted_arguments():
    x = ones()
    add(x, 1)
    x.delete()
    for use in (lambda: add(x, 1), lambda: sin(x), lambda: jit(lambda a: add(a, 1))(x), lambda: fused(add)(x, 1.0)):
        with pytest.raises(DeletedArrayError, match="Array has been deleted with shape=float32"):
            use()


def test_results_are_arrays_of_the_traced_type():
    y = sin(ones())
    assert type(y) is ArrayImpl and y.dtype == np.float32 and y.shape == (3,)


# --- programs -----------------------------------------------------------------------------------

def program_of(fun, *args, **options):
    closed = trace_to_jaxpr(lambda *xs: fun(*xs), [x.aval for x in args])
    return compile_program(closed, [x._sig for x in args], **options)


def test_arguments_that_are_not_read_and_hidden_ones():
    big = array_from_host(np.arange(100, dtype=np.float32))
    p = program_of(lambda a, b: [add(b, big)], ones(7), ones(100), name="f")
    assert not p.is_plain and len(p.hidden) == 1 and p.lowered.kept == [False, True]
    assert p.run([ones(7), ones(100)])[0].tolist() == (np.arange(100.0) + 1).tolist()
    plain = program_of(lambda a: [sin(a), a], ones())
    assert plain.is_plain and [type(x) for x in plain.run([ones()])] == [ArrayImpl] * 2


def test_donation():
    x = ones(100)
    p = program_of(lambda a: [add(a, 1)], x, donated=[True])
    assert p.donates
    (y,) = p.run([x])
    assert x.is_deleted() and y.tolist() == [2.0] * 100
    with pytest.raises(DeletedArrayError):
        p.run([x])
    with pytest.warns(UserWarning, match="donated buffers were not usable: float32"):
        program_of(lambda a: [lt(a, a)], ones(5), donated=[True])


def test_programs_run_where_they_are_told():
    from ferax._src.types.shardings import SingleDeviceSharding
    second = SingleDeviceSharding(devices.devices()[1])
    p = program_of(lambda a: [add(a, 1)], ones(), sharding=second)
    (y,) = p.run([ones()])
    assert y.sharding is second and y.committed
    assert p.run([np.ones(3, np.float32)])[0].tolist() == [2, 2, 2]


def test_out_shardings():
    x = ones(8)
    p = program_of(lambda a: [add(a, 1), a], x, out_shardings=[rows(), None])
    y, _ = p.run([x])
    assert y.sharding is rows() and y.tolist() == [2] * 8


# --- the call path ------------------------------------------------------------------------------

def test_structures_and_kinds_of_arguments():
    seen = []

    @jit
    def f(x, y=1.0, **more):
        seen.append(1)
        return {"sum": add(x, y), "more": [add(v, 1) for _, v in sorted(more.items())]}

    x = ones()
    assert f(x)["sum"].tolist() == [2, 2, 2] and f(x)["sum"].tolist() == [2, 2, 2] and len(seen) == 1
    assert f(x, 2.0)["sum"].tolist() == [3, 3, 3] and f(x, 3.0)["sum"].tolist() == [4, 4, 4] and len(seen) == 2
    assert f(x, y=x)["sum"].tolist() == [2, 2, 2] and len(seen) == 3
    out = f(x, a=x, b=2)
    assert [v.tolist() for v in out["more"]] == [[2, 2, 2], 3] and len(seen) == 4
    assert f(np.ones(3, np.float32))["sum"].tolist() == [2, 2, 2]
    assert f(np.ones(3))["sum"].dtype == np.float32
    assert f(ones(4))["sum"].shape == (4,)
    assert f.__name__ == "f"


def test_containers_and_arrays_by_turns():
    f = jit(lambda a, b: add(a[0], b) if isinstance(a, list) else add(a, b))
    x = ones()
    for _ in range(3):
        assert f(x, x).tolist() == [2, 2, 2] and f([x], x).tolist() == [2, 2, 2] and f(x, 1.0).tolist() == [2, 2, 2]
        assert f(b=x, a=x).tolist() == [2, 2, 2]


def test_calls_see_the_configuration():
    f = jit(lambda a: add(a, 1))
    assert f(1.5).dtype == np.float32
    with config.enable_x64(True):
        assert f(1.5).dtype == np.float64
    assert f(1.5).dtype == np.float32
    calls = []
    g = jit(lambda a: calls.append(1) or add(a, 1))
    g(ones()), g(ones())
    with config.disable_jit(True):
        g(ones()), g(ones())
    assert len(calls) == 3


def test_inside_a_trace_nothing_runs():
    f = jit(lambda a: add(a, 1))
    x = ones()
    f(x)
    closed = trace_to_jaxpr(lambda a: [add(f(x), a)], [x.aval])
    assert len(closed.eqns) >= 1 and closed.eqns[-1].primitive.name == "add"


def test_donated_scalars_are_not_shared():
    f = jit(lambda a: add(a, 1.0), donate_argnums=(0,))
    for _ in range(3):
        assert float(f(5.0)) == 6.0
    x = ones(64)
    f(x)
    assert x.is_deleted()
    with pytest.raises(DeletedArrayError):
        f(x)


def test_static_arguments():
    seen = []

    def body(x, n):
        seen.append(n)
        return add(x, n)

    f = jit(body, static_argnums=(1,))
    assert [f(ones(), n).tolist()[0] for n in (1, 2, 1)] == [2, 3, 2] and seen == [1, 2]
    x = array_from_host(np.arange(3, dtype=np.int32))
    g = jit(lambda x, n: n, static_argnums=(1,))
    assert g(x, 1).dtype == np.int32 and g(x, 1.0).dtype == np.float32        # equal, yet another program
    with pytest.raises(ValueError, match="hashable"):
        f(ones(), [1])


def test_many_threads():
    f = jit(lambda a: add(mul(a, 2), 1))
    x, wrong = ones(10), []

    def work(k):
        for i in range(200):
            n = 10 + (i + k) % 3
            if f(ones(n) if n != 10 else x).shape != (n,):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong


# --- fused --------------------------------------------------------------------------------------

def test_fused():
    @fused(static=("scale",))
    def affine(x, y, *, scale=2.0):
        return add(mul(x, scale), y)

    x = ones()
    assert affine(x, 1.0).tolist() == [3, 3, 3] and affine(x, 1.0, scale=3.0).tolist() == [4, 4, 4]
    assert affine(x, 1.0).tolist() == [3, 3, 3] and len(affine.fused_programs) == 2
    assert affine(x, 1.0, scale=np.float32(2)).tolist() == [3, 3, 3] and len(affine.fused_programs) == 3
    assert affine(x, 1.0, scale=np.ones(3, np.float32)).tolist() == [2, 2, 2]     # not hashable: runs unfused
    assert affine.__name__ == "affine"
    closed = trace_to_jaxpr(lambda a: [affine(a, 1.0)], [x.aval])
    assert [e.primitive.name for e in closed.eqns][-2:] == ["mul", "add"]


def test_fused_results():
    x = ones()
    assert type(fused(lambda a: (a, add(a, 1)))(x)) is tuple and type(fused(lambda a: [a])(x)) is list
    assert fused(lambda a: a)(x).tolist() == [1, 1, 1]
    assert fused(lambda a, b: add(a, b))(x, 2.0).weak_type is False


# --- effects and callbacks ----------------------------------------------------------------------

class Tell(Primitive):
    """Call Python with the operand; answers what it answers."""

    name = "tell"
    has_effects = True

    def __init__(self, fun, ordered):
        super().__init__()
        self.fun, self.ordered = fun, ordered
        self.effect = Effect(ordered)

    def abstract_eval(self, x):
        return [x]

    def effects_of(self, x):
        return frozenset([self.effect]) if self.ordered is not None else no_effects

    def lower(self, ctx, x):
        fun = callbacks.host_function(self.fun, ctx.avals_in, ctx.avals_out, name="tell")
        return ctx.host_callback(fun, (x,), ctx.avals_out, effect=self.effect if self.ordered else None)


class Effect:
    keeps_alive = True

    def __init__(self, ordered):
        self.ordered = bool(ordered)


@pytest.mark.parametrize("ordered", [False, True])
def test_side_effects(ordered):
    heard = []

    def listen(x):
        assert type(x) is ArrayImpl
        heard.append(float(x))
        return [np.float32(float(x) + 1)]

    tell = Tell(listen, ordered)
    x = array_from_host(1.0)
    for _ in range(3):
        (x,) = tell.bind(x)
    effects_barrier()
    assert heard == [1, 2, 3] and float(x) == 4


def test_errors_in_callbacks_are_the_original_ones():
    def fail(x):
        raise LookupError("the callback's own")

    with pytest.raises(LookupError, match="the callback's own"):
        Tell(fail, None).bind(array_from_host(1.0))[0].block_until_ready()
    effects_barrier()


def test_wrong_results_of_callbacks():
    for answer, words in (([np.ones(2, np.float32)], "shape"), ([np.int32(1)], "dtype"), ([], "argument 2 is longer")):
        with pytest.raises(ValueError, match=words):
            Tell(lambda x, a=answer: a, None).bind(array_from_host(1.0))[0].block_until_ready()


def test_callbacks_may_answer_python_numbers():
    assert float(Tell(lambda x: [2.5], None).bind(array_from_host(1.0))[0]) == 2.5


# --- debugging ----------------------------------------------------------------------------------

def test_debug_nans():
    zero = array_from_host(0.0)
    f = jit(lambda a: add(log(mul(a, -1)), 1))
    assert np.isnan(np.asarray(div(zero, zero)))
    with config.debug_nans(True):
        with pytest.raises(FloatingPointError, match=r"\(nan\) encountered in div"):
            div(zero, zero)
        with pytest.raises(FloatingPointError, match=r"\(nan\) encountered in log"):
            f(array_from_host(1.0))
        assert np.isinf(np.asarray(div(array_from_host(1.0), zero)))
        assert float(add(zero, 1)) == 1
    assert np.isnan(np.asarray(div(zero, zero)))
    with config.debug_infs(True), pytest.raises(FloatingPointError, match=r"\(inf\) encountered in div"):
        div(array_from_host(1.0), zero)


def test_types_of_arguments_are_compared():
    x32 = ShapedArray((3,), np.float32)
    closed = trace_to_jaxpr(lambda a: [add(a, a)], [x32])
    p = compile_program(closed, [ones()._sig])
    assert p.in_sigs[0].aval is x32 and p.out_sigs[0].aval is x32
