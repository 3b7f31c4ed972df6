// One TCTI and one ESYS context, and the list of everything of ours that occupies the TPM. Lives on the TPM thread;
// nothing here is locked. Whatever is still listed when it goes is flushed.
#pragma once

#include <tss2/tss2_esys.h>

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tpm/guard.h"

namespace attestd {

enum class Kind {
  Object,      // transient: flushed
  Persistent,  // forgotten only
  Nv,          // forgotten only
  Sequence,    // flushed
  Session,     // flushed
};

// Counters that the JavaScript thread may read at any time.
struct Occupancy {
  std::atomic<unsigned> objects{0};
  std::atomic<unsigned> sessions{0};
};

class Esys {
 public:
  // Throws FaultException.
  Esys(const std::string& tcti, Occupancy& occupancy);
  ~Esys();

  ESYS_CONTEXT* raw() const { return esys_; }

  // Lists a resource that ESYS has just made.
  void adopt(ESYS_TR tr, Kind kind);
  // Throws the misuse fault for a resource that was flushed, undefined or completed already.
  void require(ESYS_TR tr) const;
  // Frees the slot in the TPM. The resource is off the list whatever the TPM says; nothing happens twice.
  TSS2_RC release(ESYS_TR tr);
  // Takes it off the list: the command that has just run ended it.
  void forget(ESYS_TR tr);

  Esys(const Esys&) = delete;
  Esys& operator=(const Esys&) = delete;

 private:
  void count(Kind kind, int by);

  const std::string config_;
  TSS2_TCTI_CONTEXT* tcti_ = nullptr;
  std::optional<GuardedTcti> guard_;
  ESYS_CONTEXT* esys_ = nullptr;
  Occupancy& occupancy_;
  std::map<ESYS_TR, Kind> live_;  // ESYS never gives a number twice in one context
  std::vector<TPM2_HANDLE> orphans_;  // could not be flushed because the context is poisoned
};

}  // namespace attestd
