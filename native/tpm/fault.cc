#include "tpm/fault.h"

#include <cstring>

#include "tpm/rc.h"

namespace attestd {

namespace {

std::string sentence(const Fault& fault, const char* command) {
  const std::string who(command);
  if (fault.rc) return who + ": " + describe(*fault.rc).name;
  if (std::strcmp(fault.code, "TPM_TIMEOUT") == 0) return who + ": no answer before the deadline";
  const std::string why = fault.reason == nullptr ? "" : fault.reason;
  if (why == "queue") return who + ": the queue of the TPM is full";
  if (why == "stalled") return who + ": the TPM has not answered an earlier command";
  if (why == "closed") return who + ": the context is closed";
  return who + ": the TPM does not open";
}

}  // namespace

Napi::Value Fault::toJs(Napi::Env env, const char* command) const {
  if (!misuse.empty()) return Napi::TypeError::New(env, std::string(command) + ": " + misuse).Value();
  auto error = Napi::Error::New(env, sentence(*this, command));
  error.Set("code", Napi::String::New(env, code));
  error.Set("command", Napi::String::New(env, command));
  if (reason != nullptr) error.Set("reason", Napi::String::New(env, reason));
  if (rc) {
    const RcText text = describe(*rc);
    error.Set("rc", Napi::Number::New(env, *rc));
    error.Set("layer", Napi::String::New(env, text.layer));
    error.Set("rcName", Napi::String::New(env, text.name));
    error.Set("rcBase", Napi::String::New(env, text.base));
  }
  return error.Value();
}

void check(TSS2_RC rc) {
  if (rc != TSS2_RC_SUCCESS) throw FaultException({"TPM_ERROR", nullptr, rc, {}});
}

}  // namespace attestd
