// A TCTI between ESYS and the real one that lets only whole responses through (see response.h). A broken one is a
// transport fault, TSS2_TCTI_RC_MALFORMED_RESPONSE, and ends the ESYS context as any transport fault does.
#pragma once

#include <tss2/tss2_common.h>
#include <tss2/tss2_tcti.h>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace attestd {

class GuardedTcti {
 public:
  // `inner` stays the owner's.
  explicit GuardedTcti(TSS2_TCTI_CONTEXT* inner);
  // A slot that the broken response had named, if it was whole so far.
  std::optional<std::uint32_t> orphan() const { return face_.orphan; }
  TSS2_TCTI_CONTEXT* raw() { return reinterpret_cast<TSS2_TCTI_CONTEXT*>(&face_); }

  GuardedTcti(const GuardedTcti&) = delete;
  GuardedTcti& operator=(const GuardedTcti&) = delete;

 private:
  // The common part must come first: the library knows nothing else of a TCTI.
  struct Face {
    TSS2_TCTI_CONTEXT_COMMON_V1 common;
    TSS2_TCTI_CONTEXT* inner;
    UINT32 code;  // of the command on its way
    std::optional<std::uint32_t> orphan;
  };
  static TSS2_RC transmit(TSS2_TCTI_CONTEXT* self, std::size_t size, const std::uint8_t* command);
  static TSS2_RC receive(TSS2_TCTI_CONTEXT* self, std::size_t* size, std::uint8_t* response, std::int32_t timeout);

  Face face_{};
};

}  // namespace attestd
