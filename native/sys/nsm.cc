// One request to the Nitro Security Module (linux/nsm.h, NSM_IOCTL_RAW): two buffers in, the length of the answer out.
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <vector>

#include "js/system_error.h"
#include "sys/sys.h"

namespace attestd {

namespace {

// linux/nsm.h is newer than Debian 12's headers.
struct NsmIovec {
  std::uint64_t addr;
  std::uint64_t len;
};
struct NsmRaw {
  NsmIovec request;
  NsmIovec response;
};
constexpr unsigned long kNsmRaw = _IOWR(0x0A, 0x0, NsmRaw);
constexpr std::size_t kMaxResponse = 0x3000;

}  // namespace

Napi::Value nsmExchange(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const int fd = descriptor(info);
  if (!info[1].IsTypedArray()) throw Napi::TypeError::New(env, "request is not bytes");
  const auto request = info[1].As<Napi::Uint8Array>();
  std::vector<std::uint8_t> response(kMaxResponse);
  NsmRaw raw{{reinterpret_cast<std::uintptr_t>(request.Data()), request.ByteLength()},
             {reinterpret_cast<std::uintptr_t>(response.data()), response.size()}};
  if (ioctl(fd, kNsmRaw, &raw) != 0) throw systemError(env, errno, "ioctl");
  if (raw.response.len > response.size()) throw systemError(env, EPROTO, "ioctl");
  auto out = Napi::Uint8Array::New(env, raw.response.len);
  std::copy_n(response.begin(), raw.response.len, out.Data());
  return out;
}

}  // namespace attestd
