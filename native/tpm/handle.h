// What JavaScript holds instead of a TPM handle: an External with a type tag, so that nothing else passes for one.
// Jobs share it while they use it; when the last owner lets go, the slot in the TPM is freed.
#pragma once

#include <napi.h>

#include <memory>

#include "js/answer.h"
#include "tpm/esys.h"

namespace attestd {

class TpmThread;

class Handle {
 public:
  // On the TPM thread, right after ESYS made `tr`. `encrypts`: a session that can encrypt parameters.
  static HandleRef adopt(Esys& esys, std::weak_ptr<TpmThread> owner, ESYS_TR tr, Kind kind, bool encrypts = false);
  ~Handle();

  static Napi::Value toJs(Napi::Env env, const HandleRef& handle);
  // Null where `value` is no handle of ours.
  static HandleRef fromJs(const Napi::Value& value);

  ESYS_TR tr() const { return tr_; }
  Kind kind() const { return kind_; }
  bool encrypts() const { return encrypts_; }
  bool belongsTo(const TpmThread* thread) const { return owner_.lock().get() == thread; }

  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

 private:
  Handle(std::weak_ptr<TpmThread> owner, ESYS_TR tr, Kind kind, bool encrypts)
      : owner_(std::move(owner)), tr_(tr), kind_(kind), encrypts_(encrypts) {}

  const std::weak_ptr<TpmThread> owner_;
  const ESYS_TR tr_;
  const Kind kind_;
  const bool encrypts_;
};

}  // namespace attestd
