// CRC32C (Castagnoli polynomial, RFC 3720 §B.4) by the processor's own instruction where it has one. The same values
// as src/store/crc32c.ts, which is used wherever this file says that it cannot.
#include <cstdint>
#include <cstring>

#include "sys/sys.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace attestd {

namespace {

#if defined(__x86_64__)
bool supported() { return __builtin_cpu_supports("sse4.2") != 0; }

__attribute__((target("sse4.2"))) std::uint32_t update(std::uint32_t crc, const std::uint8_t* p, std::size_t n) {
  std::uint64_t c = crc;
  for (; n >= 8; n -= 8, p += 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    c = _mm_crc32_u64(c, word);
  }
  auto low = static_cast<std::uint32_t>(c);
  for (; n > 0; n--) low = _mm_crc32_u8(low, *p++);
  return low;
}
#else
bool supported() { return false; }
std::uint32_t update(std::uint32_t crc, const std::uint8_t*, std::size_t) { return crc; }
#endif

}  // namespace

Napi::Value hasCrc32c(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), supported()); }

Napi::Value crc32c(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  void* data = nullptr;
  std::size_t length = 0;
  napi_typedarray_type type;
  if (napi_get_typedarray_info(env, info[0], &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array || !supported()) {
    throw Napi::TypeError::New(env, "crc32c takes a Uint8Array, on a processor that has the instruction");
  }
  const std::uint32_t seed = info[1].As<Napi::Number>().Uint32Value();
  const std::size_t begin = info[2].As<Napi::Number>().Uint32Value();
  const std::size_t end = info[3].As<Napi::Number>().Uint32Value();
  if (begin > end || end > length) throw Napi::RangeError::New(env, "crc32c: a range outside of the array");
  return Napi::Number::New(env, ~update(~seed, static_cast<const std::uint8_t*>(data) + begin, end - begin));
}

}  // namespace attestd
