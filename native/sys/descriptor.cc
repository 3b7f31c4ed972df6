// Descriptors: reading one from an argument, closing one, and the lock that makes one writer of a log.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "js/system_error.h"
#include "sys/sys.h"

namespace attestd {

int descriptor(const Napi::CallbackInfo& info, std::size_t at) {
  if (info[at].IsNumber()) {
    const double fd = info[at].As<Napi::Number>().DoubleValue();
    if (fd >= 0 && fd <= 0x7FFFFFFF) return static_cast<int>(fd);
  }
  throw Napi::TypeError::New(info.Env(), "fd is not a descriptor");
}

Napi::Value closeFd(const Napi::CallbackInfo& info) {
  // EINTR closes it all the same on Linux; closing again could hit somebody else's descriptor.
  if (close(descriptor(info)) != 0 && errno != EINTR) throw systemError(info.Env(), errno, "close");
  return info.Env().Undefined();
}

// A lock of the open file description, not of the process: another open of the same file by this very process does
// not release it when it is closed, as the older fcntl locks do.
Napi::Value lockFile(const Napi::CallbackInfo& info) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (fcntl(descriptor(info), F_OFD_SETLK, &lock) == 0) return Napi::Boolean::New(info.Env(), true);
  if (errno == EAGAIN || errno == EACCES) return Napi::Boolean::New(info.Env(), false);
  throw systemError(info.Env(), errno, "fcntl");
}

}  // namespace attestd
