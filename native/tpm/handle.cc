#include "tpm/handle.h"

#include "tpm/thread.h"

namespace attestd {

namespace {

constexpr napi_type_tag kTag = {0x6174746573746400, 0x74706d2d68616e64};

}  // namespace

HandleRef Handle::adopt(Esys& esys, std::weak_ptr<TpmThread> owner, ESYS_TR tr, Kind kind, bool encrypts) {
  esys.adopt(tr, kind);
  return HandleRef(new Handle(std::move(owner), tr, kind, encrypts));
}

Handle::~Handle() {
  if (const auto thread = owner_.lock()) thread->discard(tr_);
}

Napi::Value Handle::toJs(Napi::Env env, const HandleRef& handle) {
  auto external = Napi::External<HandleRef>::New(env, new HandleRef(handle),
                                                 [](Napi::Env, HandleRef* last) { delete last; });
  external.TypeTag(&kTag);
  return external;
}

HandleRef Handle::fromJs(const Napi::Value& value) {
  if (!value.IsExternal()) return nullptr;
  auto external = value.As<Napi::External<HandleRef>>();
  return external.CheckTypeTag(&kTag) ? *external.Data() : nullptr;
}

}  // namespace attestd
