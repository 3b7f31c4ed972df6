#include "tpm/rc.h"

#include <ios>
#include <sstream>

namespace attestd {

namespace {

std::string hex(TSS2_RC n) {
  std::ostringstream text;
  text << "0x" << std::uppercase << std::hex << n;
  return text.str();
}

// TPM 2.0 Part 2 §6.6.2: bit 7 set is format 1, whose bits 6 and 8–11 say what the code is about.
RcText describeTpm(TSS2_RC rc, const char* layer) {
  const TSS2_RC code = rc & 0xFFFF;
  const bool formatOne = (code & 0x080) != 0;
  const char* known = tpmRcName(formatOne ? (code & 0x0BF) : code);
  if (known == nullptr) {
    const std::string text = (!formatOne && (code & 0x400) != 0 ? "TPM_RC_VENDOR_" : "TPM_RC_") + hex(code);
    return {layer, text, text};
  }
  const std::string base = std::string("TPM_RC_") + known;
  if (!formatOne) return {layer, base, base};
  const char* what = (code & 0x040) != 0 ? "parameter" : (code & 0x800) != 0 ? "session" : "handle";
  const unsigned n = (code & 0x040) != 0 ? (code >> 8) & 0xF : (code >> 8) & 0x7;
  if (n == 0) return {layer, base, base};
  return {layer, base, base + " (" + what + " " + std::to_string(n) + ")"};
}

RcText describeTss(TSS2_RC rc, const char* layer, const char* prefix) {
  const char* known = tssBaseName(rc & 0xFFFF);
  const std::string text = std::string(prefix) + (known == nullptr ? hex(rc & 0xFFFF) : known);
  return {layer, text, text};
}

}  // namespace

RcText describe(TSS2_RC rc) {
  switch ((rc >> 16) & 0xFF) {
    case 0:
      return describeTpm(rc, "tpm");
    case 6:
      return describeTss(rc, "fapi", "TSS2_FAPI_RC_");
    case 7:
      return describeTss(rc, "esys", "TSS2_ESYS_RC_");
    case 8:
      return describeTss(rc, "sys", "TSS2_SYS_RC_");
    case 9:
      return describeTss(rc, "mu", "TSS2_MU_RC_");
    case 10:
      return describeTss(rc, "tcti", "TSS2_TCTI_RC_");
    case 11:
    case 12:
      // Headers, tss2-rc and the kernel disagree on which of the two carries TPM codes; the code itself tells:
      // TPM codes start at 0x80, TSS base codes end below.
      if ((rc & 0xFFFF) >= 0x80) return describeTpm(rc, "rmt");
      return describeTss(rc, "rm", "TSS2_RESMGR_RC_");
    default: {
      const std::string text = "TSS2_RC_" + hex(rc);
      return {"unknown", text, text};
    }
  }
}

}  // namespace attestd
