#include "js/answer.h"

#include "tpm/handle.h"

namespace attestd {

namespace {

struct ScalarToJs {
  Napi::Env env;
  Napi::Value operator()(Nothing) const { return env.Undefined(); }
  Napi::Value operator()(const Bytes& b) const { return Napi::Buffer<std::uint8_t>::Copy(env, b.data(), b.size()); }
  Napi::Value operator()(double n) const { return Napi::Number::New(env, n); }
  Napi::Value operator()(bool b) const { return Napi::Boolean::New(env, b); }
  Napi::Value operator()(std::uint64_t n) const { return Napi::BigInt::New(env, n); }
  Napi::Value operator()(const HandleRef& h) const { return Handle::toJs(env, h); }
  Napi::Value operator()(const std::vector<Bytes>& list) const {
    auto array = Napi::Array::New(env, list.size());
    for (std::size_t i = 0; i < list.size(); i++) array.Set(static_cast<std::uint32_t>(i), (*this)(list[i]));
    return array;
  }
};

struct AnswerToJs {
  Napi::Env env;
  Napi::Value operator()(Nothing) const { return env.Undefined(); }
  Napi::Value operator()(const Scalar& s) const { return std::visit(ScalarToJs{env}, s); }
  Napi::Value operator()(const Record& record) const {
    auto object = Napi::Object::New(env);
    for (const auto& [name, value] : record) object.Set(name, std::visit(ScalarToJs{env}, value));
    return object;
  }
};

}  // namespace

Napi::Value toJs(Napi::Env env, const Answer& answer) { return std::visit(AnswerToJs{env}, answer); }

}  // namespace attestd
