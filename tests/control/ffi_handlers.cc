// Native functions for test_ffi.py.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

// out = scale * x + y, where y is repeated as often as it fits; a negative scale is an error.
static ffi::Error ScaleAdd(ffi::Buffer<ffi::F32> x, ffi::Buffer<ffi::F32> y, ffi::ResultBuffer<ffi::F32> out, float scale) {
  if (scale < 0) return ffi::Error::InvalidArgument("the scale must not be negative, got " + std::to_string(scale));
  const std::size_t n = out->element_count(), m = y.element_count();
  for (std::size_t i = 0; i < n; ++i) out->typed_data()[i] = scale * x.typed_data()[i] + y.typed_data()[i % m];
  return ffi::Error::Success();
}
XLA_FFI_DEFINE_HANDLER_SYMBOL(scale_add, ScaleAdd, ffi::Ffi::Bind().Arg<ffi::Buffer<ffi::F32>>().Arg<ffi::Buffer<ffi::F32>>()
                                                       .Ret<ffi::Buffer<ffi::F32>>().Attr<float>("scale"));

// What the handler is given: out is 100 * rank of x + 10 * rank of y + first size of y.
static ffi::Error Shapes(ffi::AnyBuffer x, ffi::AnyBuffer y, ffi::ResultBuffer<ffi::F32> out) {
  const auto dims = y.dimensions();
  const float text = 100 * x.dimensions().size() + 10 * dims.size() + (dims.size() ? dims[0] : 0);
  std::fill_n(out->typed_data(), out->element_count(), text);
  return ffi::Error::Success();
}
XLA_FFI_DEFINE_HANDLER_SYMBOL(shapes, Shapes, ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Arg<ffi::AnyBuffer>().Ret<ffi::Buffer<ffi::F32>>());

// The bytes of x as they lie in memory, and attributes of all kinds: n + the sum of the span + the inner number, if the mode is "sum".
static std::atomic<int> calls{0};
static ffi::Error Memory(ffi::Buffer<ffi::F32> x, ffi::ResultBuffer<ffi::F32> out, ffi::ResultBuffer<ffi::F64> total, std::int64_t n,
                         ffi::Span<const std::int32_t> span, std::string_view mode, bool flag, ffi::Dictionary inner) {
  if (mode != "sum" || !flag) return ffi::Error::InvalidArgument("mode must be sum");
  auto number = inner.get<double>("number");
  if (!number.has_value()) return number.error();
  double sum = n + *number;
  for (std::int32_t s : span) sum += s;
  total->typed_data()[0] = sum;
  std::copy_n(x.typed_data(), x.element_count(), out->typed_data());
  ++calls;
  return ffi::Error::Success();
}
XLA_FFI_DEFINE_HANDLER_SYMBOL(memory, Memory, ffi::Ffi::Bind().Arg<ffi::Buffer<ffi::F32>>().Ret<ffi::Buffer<ffi::F32>>()
                                                  .Ret<ffi::Buffer<ffi::F64>>().Attr<std::int64_t>("n")
                                                  .Attr<ffi::Span<const std::int32_t>>("span").Attr<std::string_view>("mode")
                                                  .Attr<bool>("flag").Attr<ffi::Dictionary>("inner"));
extern "C" int memory_calls() { return calls; }
