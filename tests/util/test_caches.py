"""Caches: entries by value, by configuration, by object; their death."""

import gc

from ferax._src.util import caches, config


class Thing:
    pass


def test_memoize():
    calls = []
    double = caches.memoize(lambda x: calls.append(x) or 2 * x)
    assert [double(1), double(1), double(2)] == [2, 2, 4] and calls == [1, 2]
    double.cache_clear()
    assert double(1) == 2 and calls == [1, 2, 1]


def test_trace_memoize_keeps_configurations_apart():
    @caches.trace_memoize
    def width(x, *, scale=1):
        return (64 if config.enable_x64.value else 32) * scale

    assert width("i") == 32
    with config.enable_x64(True):
        assert width("i") == 64 and width("i", scale=2) == 128
    assert width("i") == 32 and width.cache_info().misses == 3


def test_weak_id_cache_entries_die_with_their_objects():
    cache, a, b = caches.WeakIdCache(), Thing(), Thing()
    cache[a], cache[b] = 1, 2
    assert cache.get(a) == 1 and cache.get(b) == 2 and cache.get(Thing()) is None and len(cache) == 2
    assert cache.setdefault(a, lambda: 9) == 1
    del a
    gc.collect()
    assert len(cache) == 1
    b2 = b
    cache[b] = 3
    assert cache.get(b2) == 3 and len(cache) == 1


def test_weak_id_cache_goes_by_identity():
    class Same:
        def __eq__(self, other):
            return True

        def __hash__(self):
            return 0

    cache, a, b = caches.WeakIdCache(), Same(), Same()
    cache[a] = 1
    assert cache.get(b) is None


def test_a_cache_itself_can_die():
    before = len(caches._clear_functions)
    cache = caches.WeakIdCache()
    assert len(caches._clear_functions) == before + 1
    del cache
    gc.collect()
    assert len(caches._clear_functions) == before


def test_weak_memoize():
    calls = []

    @caches.weak_memoize
    def derived(obj, n=0):
        calls.append(n)
        return n + 1

    thing = Thing()
    assert derived(thing, 1) == 2 and derived(thing, 1) == 2 and derived(thing) == 1 and calls == [1, 0]
    assert derived(Thing(), 1) == 2 and calls == [1, 0, 1]


def test_clear_all():
    calls, cleared = [], []
    f = caches.memoize(lambda: calls.append(1))
    g = caches.weak_memoize(lambda obj: calls.append(2))
    thing = Thing()
    clear = lambda: cleared.append(True)
    caches.register_cache(clear)
    f(), f(), g(thing), g(thing)
    assert calls == [1, 2]
    try:
        caches.clear_all_caches()
    finally:
        caches._clear_functions.remove(clear)
    assert cleared == [True]
    f(), g(thing)
    assert calls == [1, 2, 1, 2]
