// Why a command did not succeed, as facts: src/tpm decides what they mean.
#pragma once

#include <napi.h>
#include <tss2/tss2_common.h>

#include <optional>
#include <stdexcept>
#include <string>

namespace attestd {

struct Fault {
  const char* code = "TPM_ERROR";  // TPM_ERROR, TPM_TIMEOUT, TPM_UNAVAILABLE
  const char* reason = nullptr;    // queue, stalled, closed, open
  std::optional<TSS2_RC> rc;
  std::string misuse;  // not empty: a TypeError, a fault of the caller's program

  Napi::Value toJs(Napi::Env env, const char* command) const;
};

// Thrown on the TPM thread only, never across it.
struct FaultException : std::runtime_error {
  explicit FaultException(Fault f) : std::runtime_error("fault"), fault(std::move(f)) {}
  Fault fault;
};

// Throws FaultException unless `rc` is success.
void check(TSS2_RC rc);

}  // namespace attestd
