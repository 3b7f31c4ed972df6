// Names of response codes (TPM 2.0 Part 2 §6.6; TSS 2.0 Overview §4.1.2). tss2-rc gives prose; people search for
// the name, so we keep our own table.
#pragma once

#include <tss2/tss2_common.h>

#include <string>

namespace attestd {

struct RcText {
  const char* layer;  // tpm, fapi, esys, sys, mu, tcti, rm, rmt, unknown
  std::string base;   // TPM_RC_AUTH_FAIL
  std::string name;   // TPM_RC_AUTH_FAIL (session 1)
};

RcText describe(TSS2_RC rc);

// Name of a TPM code without its parameter, handle or session number, or null. In rc_table.cc.
const char* tpmRcName(TSS2_RC code);
// Name of the low 16 bits of a TSS code (`BAD_SEQUENCE`), or null.
const char* tssBaseName(TSS2_RC base);

}  // namespace attestd
