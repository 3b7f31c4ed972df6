// Slots left behind by an ESYS context that was poisoned: it refuses even to flush. Behind a resource manager they go
// with the connection; on a bare TPM (swtpm has three of each) they would stay until the next reset.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <span>
#include <string>

namespace attestd {

// Flushes these handles on a connection of its own. Failures are not reported: nothing else can be done.
void flushOrphans(const std::string& tcti, std::span<const TPM2_HANDLE> handles);

}  // namespace attestd
