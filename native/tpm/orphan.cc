#include "tpm/orphan.h"

#include <tss2/tss2_mu.h>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tctildr.h>

#include <array>
#include <cstdint>

namespace attestd {

namespace {

// TPM2_FlushContext (TPM 2.0 Part 3 §28.4), whose handle is a parameter and which takes no session.
bool flush(TSS2_TCTI_CONTEXT* tcti, TPM2_HANDLE handle) {
  std::array<std::uint8_t, 14> command{};
  std::size_t at = 0;
  Tss2_MU_TPM2_ST_Marshal(TPM2_ST_NO_SESSIONS, command.data(), command.size(), &at);
  Tss2_MU_UINT32_Marshal(static_cast<UINT32>(command.size()), command.data(), command.size(), &at);
  Tss2_MU_TPM2_CC_Marshal(TPM2_CC_FlushContext, command.data(), command.size(), &at);
  Tss2_MU_UINT32_Marshal(handle, command.data(), command.size(), &at);
  if (Tss2_Tcti_Transmit(tcti, command.size(), command.data()) != TSS2_RC_SUCCESS) return false;
  std::array<std::uint8_t, TPM2_MAX_RESPONSE_SIZE> response{};
  std::size_t size = response.size();
  // The response code does not matter: a handle that is gone is what we want.
  return Tss2_Tcti_Receive(tcti, &size, response.data(), TSS2_TCTI_TIMEOUT_BLOCK) == TSS2_RC_SUCCESS;
}

}  // namespace

void flushOrphans(const std::string& config, std::span<const TPM2_HANDLE> handles) {
  if (handles.empty()) return;
  TSS2_TCTI_CONTEXT* tcti = nullptr;
  if (Tss2_TctiLdr_Initialize(config.c_str(), &tcti) != TSS2_RC_SUCCESS) return;
  for (const TPM2_HANDLE handle : handles) {
    if (!flush(tcti, handle)) break;
  }
  Tss2_TctiLdr_Finalize(&tcti);
}

}  // namespace attestd
