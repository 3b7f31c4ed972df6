// openTpm and the object it resolves to. The methods are closures over the context, not members looked up through
// `this`: no forged receiver can reach another pointer.
#pragma once

#include <napi.h>

#include <memory>

#include "js/channel.h"
#include "tpm/thread.h"

namespace attestd {

struct Context {
  std::shared_ptr<Channel> channel;
  std::shared_ptr<TpmThread> thread;
  std::chrono::milliseconds deadline;

  Context() = default;
  // An abandoned context ends its thread; what it holds in the TPM is flushed.
  ~Context() {
    if (thread) thread->stop(nullptr, Clock::time_point::max());
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
};

Napi::Value openTpm(const Napi::CallbackInfo& info);

// When the environment goes: ends every thread of it, waiting a moment for those that are not known to hang.
struct ThreadList {
  std::vector<std::weak_ptr<TpmThread>> threads;
  void stopAll();
};

}  // namespace attestd
