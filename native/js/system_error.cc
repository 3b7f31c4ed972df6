#include "js/system_error.h"

#include <cstring>
#include <string>

namespace attestd {

Napi::Error systemError(Napi::Env env, int error, const char* syscall, const char* code) {
  const char* name = strerrorname_np(error);
  if (name == nullptr) name = "EUNKNOWN";
  auto e = Napi::Error::New(env, std::string(syscall) + ": " + strerrordesc_np(error) + " (" + name + ")");
  e.Set("code", Napi::String::New(env, code == nullptr ? name : code));
  e.Set("errno", Napi::String::New(env, name));
  e.Set("syscall", Napi::String::New(env, syscall));
  return e;
}

}  // namespace attestd
