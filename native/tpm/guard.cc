#include "tpm/guard.h"

#include "tpm/response.h"

namespace attestd {

GuardedTcti::GuardedTcti(TSS2_TCTI_CONTEXT* inner) {
  face_.common.magic = 0x61747465'73746400;
  face_.common.version = 1;
  face_.common.transmit = transmit;
  face_.common.receive = receive;
  face_.inner = inner;
}

TSS2_RC GuardedTcti::transmit(TSS2_TCTI_CONTEXT* self, std::size_t size, const std::uint8_t* command) {
  auto* face = reinterpret_cast<Face*>(self);
  if (command == nullptr || size < 10) return TSS2_TCTI_RC_BAD_VALUE;
  face->code = static_cast<UINT32>(command[6]) << 24 | static_cast<UINT32>(command[7]) << 16 |
               static_cast<UINT32>(command[8]) << 8 | command[9];
  return Tss2_Tcti_Transmit(face->inner, size, const_cast<std::uint8_t*>(command));
}

TSS2_RC GuardedTcti::receive(TSS2_TCTI_CONTEXT* self, std::size_t* size, std::uint8_t* response,
                             std::int32_t timeout) {
  auto* face = reinterpret_cast<Face*>(self);
  const TSS2_RC rc = Tss2_Tcti_Receive(face->inner, size, response, timeout);
  if (rc != TSS2_RC_SUCCESS || response == nullptr) return rc;
  const std::span<const std::uint8_t> bytes(response, *size);
  if (wholeResponse(face->code, bytes)) return rc;
  face->orphan = madeHandle(face->code, bytes);
  return TSS2_TCTI_RC_MALFORMED_RESPONSE;
}

}  // namespace attestd
