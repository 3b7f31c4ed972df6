#include "js/channel.h"

namespace attestd {

namespace {

void run(napi_env env, napi_value, void*, void* data) {
  std::unique_ptr<Channel::Closure> closure(static_cast<Channel::Closure*>(data));
  if (env == nullptr) return;  // the environment is going: nobody is left to be told
  Napi::HandleScope scope(env);
  try {
    (*closure)(Napi::Env(env));
  } catch (...) {
    // Only a terminating environment refuses to settle a promise, and then nobody is left to be told either.
  }
}

}  // namespace

std::shared_ptr<Channel> Channel::open(Napi::Env env, const char* name) {
  auto state = std::make_shared<State>();
  auto* held = new std::shared_ptr<State>(state);
  auto finalize = [](napi_env, void* data, void*) {
    std::unique_ptr<std::shared_ptr<State>> last(static_cast<std::shared_ptr<State>*>(data));
    std::lock_guard lock((*last)->mutex);
    (*last)->function = nullptr;
  };
  const napi_status status =
      napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, name), 0, 1, held, finalize,
                                      nullptr, run, &state->function);
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
  auto data = std::make_unique<Closure>(std::move(closure));
  std::lock_guard lock(state_->mutex);
  if (state_->function == nullptr) return;
  if (napi_call_threadsafe_function(state_->function, data.get(), napi_tsfn_nonblocking) == napi_ok) {
    data.release();
  }
}

}  // namespace attestd
