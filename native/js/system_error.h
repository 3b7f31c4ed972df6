// A failed system call as a JavaScript Error with the facts as fields.
#pragma once

#include <napi.h>

namespace attestd {

// `code` is the product's own code, or null: then the errno name stands in its place.
Napi::Error systemError(Napi::Env env, int error, const char* syscall, const char* code = nullptr);

}  // namespace attestd
