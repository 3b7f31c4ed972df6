// Keeps the memory of this process, which holds auth values, from leaving it (prctl(2), setrlimit(2)).
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>

#include "js/system_error.h"
#include "sys/sys.h"

namespace attestd {

Napi::Value setDumpable(const Napi::CallbackInfo& info) {
  if (prctl(PR_SET_DUMPABLE, info[0].ToBoolean() ? 1UL : 0UL, 0UL, 0UL, 0UL) != 0) {
    throw systemError(info.Env(), errno, "prctl");
  }
  return info.Env().Undefined();
}

Napi::Value forbidCores(const Napi::CallbackInfo& info) {
  const rlimit none{0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) throw systemError(info.Env(), errno, "setrlimit");
  return info.Env().Undefined();
}

}  // namespace attestd
