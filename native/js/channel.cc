#include "js/channel.h"

namespace attestd {

namespace {

void run(napi_env env, Channel::Closure& closure) {
  Napi::HandleScope scope(env);
  try {
    closure(Napi::Env(env));
  } catch (...) {
    // Only a terminating environment refuses to settle a promise, and then nobody is left to be told either.
  }
}

}  // namespace

void Channel::State::drain(napi_env env) {
  std::deque<Closure> all;
  {
    std::lock_guard lock(mutex);
    all.swap(posted);
    waiting.store(false, std::memory_order_relaxed);
  }
  for (auto& closure : all) run(env, closure);
}

std::shared_ptr<Channel> Channel::open(Napi::Env env, const char* name) {
  auto state = std::make_shared<State>();
  auto* held = new std::shared_ptr<State>(state);
  auto finalize = [](napi_env, void* data, void*) {
    std::unique_ptr<std::shared_ptr<State>> last(static_cast<std::shared_ptr<State>*>(data));
    std::deque<Closure> nobodys;
    std::lock_guard lock((*last)->mutex);
    (*last)->function = nullptr;
    nobodys.swap((*last)->posted);
  };
  auto call = [](napi_env env, napi_value, void* context, void*) {
    // Without one the environment is going: nobody is left to be told.
    if (env != nullptr) (*static_cast<std::shared_ptr<State>*>(context))->drain(env);
  };
  const napi_status status =
      napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, name), 0, 1, held, finalize,
                                      held, call, &state->function);
  if (status != napi_ok) {
    delete held;
    throw Napi::Error::New(env);
  }
  napi_unref_threadsafe_function(env, state->function);
  return std::shared_ptr<Channel>(new Channel(std::move(state)));
}

Channel::~Channel() {
  std::lock_guard lock(state_->mutex);
  if (state_->function != nullptr) napi_release_threadsafe_function(state_->function, napi_tsfn_release);
}

void Channel::begin(Napi::Env env) {
  if (state_->pending++ == 0 && state_->function != nullptr) {
    napi_ref_threadsafe_function(env, state_->function);
  }
}

void Channel::end(Napi::Env env) {
  if (--state_->pending == 0 && state_->function != nullptr) {
    napi_unref_threadsafe_function(env, state_->function);
  }
}

void Channel::post(Closure closure) {
  std::lock_guard lock(state_->mutex);
  if (state_->function == nullptr) return;
  state_->posted.push_back(std::move(closure));
  state_->waiting.store(true, std::memory_order_release);
  napi_call_threadsafe_function(state_->function, nullptr, napi_tsfn_nonblocking);
}

void Channel::poll(Napi::Env env) {
  if (state_->waiting.load(std::memory_order_acquire)) state_->drain(env);
}

}  // namespace attestd
