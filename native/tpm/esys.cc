#include "tpm/esys.h"

#include <tss2/tss2_tctildr.h>

#include "tpm/fault.h"

namespace attestd {

Esys::Esys(const std::string& tcti, Occupancy& occupancy) : occupancy_(occupancy) {
  check(Tss2_TctiLdr_Initialize(tcti.c_str(), &tcti_));
  const TSS2_RC rc = Esys_Initialize(&esys_, guard_.emplace(tcti_).raw(), nullptr);
  if (rc != TSS2_RC_SUCCESS) {
    Tss2_TctiLdr_Finalize(&tcti_);
    check(rc);
  }
}

Esys::~Esys() {
  while (!live_.empty()) release(live_.begin()->first);
  Esys_Finalize(&esys_);
  Tss2_TctiLdr_Finalize(&tcti_);
}

void Esys::adopt(ESYS_TR tr, Kind kind) {
  live_.emplace(tr, kind);
  count(kind, 1);
}

void Esys::require(ESYS_TR tr) const {
  if (!live_.contains(tr)) throw FaultException({"TPM_ERROR", nullptr, {}, "the handle is flushed already"});
}

TSS2_RC Esys::release(ESYS_TR tr) {
  const auto at = live_.find(tr);
  if (at == live_.end()) return TSS2_RC_SUCCESS;
  const Kind kind = at->second;
  forget(tr);
  if (kind == Kind::Persistent || kind == Kind::Nv) return Esys_TR_Close(esys_, &tr);
  const TSS2_RC rc = Esys_FlushContext(esys_, tr);
  // After a TPM reset the slot is gone already, but ESYS keeps its own record until it is told.
  if (rc != TSS2_RC_SUCCESS) Esys_TR_Close(esys_, &tr);
  return rc;
}

void Esys::forget(ESYS_TR tr) {
  const auto at = live_.find(tr);
  if (at == live_.end()) return;
  count(at->second, -1);
  live_.erase(at);
}

void Esys::count(Kind kind, int by) {
  if (kind == Kind::Session) occupancy_.sessions += by;
  if (kind == Kind::Object || kind == Kind::Sequence) occupancy_.objects += by;
}

}  // namespace attestd
