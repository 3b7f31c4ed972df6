// What a native job answers with, made on its own thread and turned into a JavaScript value on the other one.
#pragma once

#include <napi.h>

#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "js/bytes.h"

namespace attestd {

class Handle;
using HandleRef = std::shared_ptr<Handle>;

struct Nothing {};
// double: a number; uint64_t: a bigint.
using Scalar = std::variant<Nothing, Bytes, double, bool, std::uint64_t, HandleRef, std::vector<Bytes>>;
using Record = std::vector<std::pair<const char*, Scalar>>;
using Answer = std::variant<Nothing, Scalar, Record>;

Napi::Value toJs(Napi::Env env, const Answer& answer);

}  // namespace attestd
