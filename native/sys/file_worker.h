// Runs file work on the shared thread pool and settles a promise with its failure. For what happens once per segment or
// tile, never per record.
#pragma once

#include <napi.h>

#include <functional>
#include <utility>

#include "js/system_error.h"

namespace attestd {

struct Failure {
  int error;
  const char* syscall;
};

class FileWorker : public Napi::AsyncWorker {
 public:
  using Work = std::function<Failure()>;

  // Deletes itself once the promise is settled.
  static Napi::Value start(Napi::Env env, Work work) {
    auto* worker = new FileWorker(env, std::move(work));
    const Napi::Value promise = worker->deferred_.Promise();
    worker->Queue();
    return promise;
  }

  void Execute() override { failure_ = work_(); }
  void OnOK() override {
    if (failure_.error == 0) {
      deferred_.Resolve(Env().Undefined());
    } else {
      deferred_.Reject(systemError(Env(), failure_.error, failure_.syscall, "STORAGE_UNAVAILABLE").Value());
    }
  }

 private:
  FileWorker(Napi::Env env, Work work) : AsyncWorker(env), deferred_(env), work_(std::move(work)) {}

  Napi::Promise::Deferred deferred_;
  Work work_;
  Failure failure_{0, ""};
};

}  // namespace attestd
