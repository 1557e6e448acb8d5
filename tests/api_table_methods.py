"""Rows of what an array tells of itself and gives to the host; and where its members that no call on arrays can check are checked."""

import importlib

import numpy as np
from api_draw import ANY, NARROW, Draw, call
from api_harness import Elsewhere, Refusal, Row, Value

ON_HOST = dict(jit=False, vmap=False, grad=False, why="needs the values on the host")


def any_array(d: Draw):
    return call(d.array(ANY + NARROW, d.shape(0, 4)))


def one_element(d: Draw):
    """An array with ``item``'s arguments: none for a single element, a flat position, or one for each dimension."""
    if d.flag():
        return call(d.array(ANY, d.pick((), (1,), (1, 1))))
    x = d.array(ANY, d.shape(1, 3, empty=False))
    if d.flag():
        return call(x, d.pick(0, -1, x.size - 1))
    return call(x, *[d.pick(*range(-n, n)) for n in x.shape])


def there_and_back(root):
    """To a device or a sharding of one."""
    device = root.devices()[0]
    return lambda x, where: root.numpy.asarray(x).to_device(device if where == "device" else root.sharding.SingleDeviceSharding(device))


X = np.ones((2, 3), np.float32)

ROWS = [
    Row("Array.item", lambda x, *at: x.item(*at), one_element, examples=8, **ON_HOST),
    Row("Array.tolist", lambda x: x.tolist(), any_array, **ON_HOST),
    Row("Array.tobytes", lambda x: list(x.tobytes()), lambda d: call(d.array(("int32", "uint8", "bool", "int16"))),
        fn=lambda root: lambda x: list(root.numpy.asarray(x).tobytes()), **ON_HOST),
    Row("Array.to_device", lambda x, where: x, lambda d: call(d.array(ANY + NARROW), d.pick("device", "sharding")), "same",
        fn=there_and_back),
    Row("Array.block_until_ready", lambda x: x, any_array, gives=None),

    Elsewhere("Array.addressable_data Array.addressable_shards Array.aval Array.committed Array.copy_to_host_async Array.delete "
              "Array.device Array.devices Array.format Array.global_shards Array.is_deleted Array.is_fully_addressable "
              "Array.is_fully_replicated Array.is_ready Array.on_device_size_in_bytes Array.platform Array.sharding Array.traceback "
              "Array.unsafe_buffer_pointer", "runtime/test_array.py"),
    Elsewhere("Array.flat", "numpy/test_operators.py"),
    Elsewhere("Array.at", "numpy/test_at.py"),
    Value("numpy.ndarray", lambda name: importlib.import_module("ferax").Array),
]


def of(name, call, error, text, label):
    return Refusal(f"Array.{name}", lambda root: call(root.numpy.asarray(X)), error, text, label)


REFUSALS = [
    of("item", lambda x: x.item(), ValueError, "size 1|scalar", "size"),
    of("item", lambda x: x.item(9), IndexError, "9", "index"),
    of("item", lambda x: x.item(0, 0, 0), (ValueError, IndexError), "indices|number", "rank"),
    of("reshape", lambda x: x.reshape(5, -1), TypeError, r"\(2, 3\).*\(5, -1\)", "size"),
    of("reshape", lambda x: x.reshape("a"), TypeError, "a", "text"),
    of("transpose", lambda x: x.transpose(0), (TypeError, ValueError), r"axes.*\(2, 3\)", "axes"),
    of("flatten", lambda x: x.flatten("Z"), (ValueError, NotImplementedError), "order", "order"),
    of("squeeze", lambda x: x.squeeze(0), ValueError, "size not equal to one", "size"),
    of("swapaxes", lambda x: x.swapaxes(0, 2), ValueError, "axis 2", "axis"),
    of("diagonal", lambda x: x[0].diagonal(), ValueError, "two dimensions", "rank"),
    of("repeat", lambda x: x.repeat(-1), (TypeError, ValueError), "negative|-1", "negative"),
    of("take", lambda x: x.take([0]), TypeError, "take.*list", "list"),
    of("choose", lambda x: x.choose([x]), (TypeError, ValueError), "integer", "float"),
    of("compress", lambda x: x.compress(np.ones(9, bool), axis=0), ValueError, "out of bounds", "length"),
    of("flat", lambda x: x.flat, NotImplementedError, "flatten", "refused"),
    of("to_device", lambda x: x.to_device("no device"), (TypeError, ValueError), "no device|str", "device"),
    of("to_device", lambda x: x.to_device(None, stream=1), NotImplementedError, "stream", "stream"),
    of("no_such_method", lambda x: x.no_such_method, AttributeError, "no_such_method", "unknown"),
]
