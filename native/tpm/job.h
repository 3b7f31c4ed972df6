// One piece of work for the TPM thread, and the promise that waits for it.
#pragma once

#include <napi.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>

#include "js/answer.h"
#include "js/channel.h"
#include "tpm/esys.h"
#include "tpm/fault.h"

namespace attestd {

using Clock = std::chrono::steady_clock;

enum class Priority { Control, Quote, Sign };

// The waiting promise. The TPM thread and the watchdog race for it; `claim` says who won.
struct Ticket {
  Ticket(Napi::Env env, std::shared_ptr<Channel> c, const char* name)
      : deferred(env), channel(std::move(c)), command(name) {
    channel->begin(env);
  }
  bool claim() { return !claimed.exchange(true); }

  // By the winner, from any thread.
  static void reject(const std::shared_ptr<Ticket>& ticket, Fault fault);

  Napi::Promise::Deferred deferred;
  std::shared_ptr<Channel> channel;
  const char* command;
  std::atomic<bool> claimed{false};
};

struct Job {
  // On the TPM thread; throws FaultException. The first job of all makes the context.
  using Run = std::function<Answer(std::unique_ptr<Esys>&)>;
  // On the JavaScript thread.
  using Convert = std::function<Napi::Value(Napi::Env, const Answer&)>;

  // Executes and settles, unless the watchdog was faster: then the answer, handles included, is let go.
  // Returns whether the command succeeded and its promise was still waiting.
  static bool execute(std::shared_ptr<Job> job, std::unique_ptr<Esys>& esys);

  std::shared_ptr<Ticket> ticket;
  Priority priority = Priority::Control;
  Clock::time_point deadline;
  Run run;
  Convert convert = toJs;
  bool opens = false;  // the first job: its failure means that there is no TPM
};

}  // namespace attestd
