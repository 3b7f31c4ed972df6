// What Node cannot ask the kernel for. One function per file; each throws a system error with errno and syscall.
#pragma once

#include <napi.h>

namespace attestd {

Napi::Value peerCredentials(const Napi::CallbackInfo& info);  // peer.cc
Napi::Value pidfdAlive(const Napi::CallbackInfo& info);
Napi::Value pidOfPidfd(const Napi::CallbackInfo& info);
Napi::Value closeFd(const Napi::CallbackInfo& info);  // descriptor.cc
Napi::Value lockFile(const Napi::CallbackInfo& info);
Napi::Value notify(const Napi::CallbackInfo& info);         // notify.cc
Napi::Value nsmExchange(const Napi::CallbackInfo& info);    // nsm.cc
Napi::Value inheritSocket(const Napi::CallbackInfo& info);  // inherit.cc
Napi::Value setDumpable(const Napi::CallbackInfo& info);    // process.cc
Napi::Value forbidCores(const Napi::CallbackInfo& info);
Napi::Value hasCrc32c(const Napi::CallbackInfo& info);  // crc32c.cc
Napi::Value crc32c(const Napi::CallbackInfo& info);
Napi::Value disclosure(const Napi::CallbackInfo& info);  // disclosure.cc
Napi::Value sha256(const Napi::CallbackInfo& info);      // sha256.cc
Napi::Value preallocate(const Napi::CallbackInfo& info);  // preallocate.cc
Napi::Value syncFd(const Napi::CallbackInfo& info);
Napi::Value writeNewFile(const Napi::CallbackInfo& info);  // new_file.cc
Napi::Value makeWriter(const Napi::CallbackInfo& info);  // writer.cc

// Argument `at` as a descriptor. Throws TypeError.
int descriptor(const Napi::CallbackInfo& info, std::size_t at = 0);

}  // namespace attestd
