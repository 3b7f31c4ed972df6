#include "tpm/esys.h"

#include <tss2/tss2_tctildr.h>

#include "tpm/fault.h"
#include "tpm/orphan.h"

namespace attestd {

Esys::Esys(const std::string& tcti, Occupancy& occupancy) : config_(tcti), occupancy_(occupancy) {
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
  if (const auto unseen = guard_->orphan()) orphans_.push_back(*unseen);
  flushOrphans(config_, orphans_);
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
  TPM2_HANDLE handle = 0;
  const bool named = Esys_TR_GetTpmHandle(esys_, tr, &handle) == TSS2_RC_SUCCESS;
  const TSS2_RC rc = Esys_FlushContext(esys_, tr);
  if (rc == TSS2_RC_SUCCESS) return rc;
  // A refusal of the TPM: the slot is gone already, as after a reset, but ESYS keeps its own record until it is told.
  // A refusal of ESYS: nothing was sent.
  if (named && (rc & TSS2_RC_LAYER_MASK) == TSS2_ESAPI_RC_LAYER) orphans_.push_back(handle);
  Esys_TR_Close(esys_, &tr);
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
