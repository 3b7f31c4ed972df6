// The way back from a native thread to the JavaScript thread. It runs closures there and holds the event loop open
// only while somebody waits for a promise: a hung TPM whose promises are all settled never keeps the process alive.
#pragma once

#include <napi.h>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace attestd {

class Channel {
 public:
  using Closure = std::function<void(Napi::Env)>;

  // On the JavaScript thread.
  static std::shared_ptr<Channel> open(Napi::Env env, const char* name);
  // From any thread.
  ~Channel();

  // One more promise is waiting: on the JavaScript thread. Each begin needs one posted closure that calls end.
  void begin(Napi::Env env);
  void end(Napi::Env env);

  // From any thread: runs `closure` on the JavaScript thread, or drops it where the environment is gone.
  void post(Closure closure);
  // On the JavaScript thread: runs at once what was posted, which is else run when the event loop comes round.
  void poll(Napi::Env env);

  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

 private:
  // Outlives the channel until node has finalised the function: that is the only moment nobody calls it any more.
  struct State {
    void drain(napi_env env);
    std::mutex mutex;
    napi_threadsafe_function function = nullptr;  // guarded by mutex; null once the environment is gone
    std::deque<Closure> posted;                   // guarded by mutex
    std::atomic<bool> waiting = false;            // whether there is any
    unsigned pending = 0;                         // JavaScript thread only
  };
  explicit Channel(std::shared_ptr<State> state) : state_(std::move(state)) {}

  std::shared_ptr<State> state_;
};

}  // namespace attestd
