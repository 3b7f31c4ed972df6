#include "tpm/call.h"

#include <algorithm>
#include <string_view>

namespace attestd {

void Call::misuse(Napi::Env env, const char* what, const char* why) {
  throw Napi::TypeError::New(env, std::string(what) + " " + why);
}

Napi::Value Call::field(const char* name) const {
  const Napi::Value input = info_[0];
  if (!input.IsObject()) misuse(env(), "input", "is not an object");
  return input.As<Napi::Object>().Get(name);
}

std::span<const std::uint8_t> Call::bytes(const Napi::Value& value, const char* what) {
  if (!value.IsTypedArray()) misuse(value.Env(), what, "is not a Uint8Array");
  const auto array = value.As<Napi::TypedArray>();
  if (array.TypedArrayType() != napi_uint8_array) misuse(value.Env(), what, "is not a Uint8Array");
  const auto view = value.As<Napi::Uint8Array>();
  return {view.Data(), view.ByteLength()};
}

std::uint32_t Call::number(const Napi::Value& value, const char* what, double max) {
  const double n = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(n >= 0 && n <= max)) misuse(value.Env(), what, "is not a number in range");
  return static_cast<std::uint32_t>(n);
}

ESYS_TR Call::hierarchy(const Napi::Value& value, const char* what) {
  if (value.IsString()) {
    const std::string name = value.As<Napi::String>();
    if (name == "owner") return ESYS_TR_RH_OWNER;
    if (name == "endorsement") return ESYS_TR_RH_ENDORSEMENT;
    if (name == "platform") return ESYS_TR_RH_PLATFORM;
    if (name == "lockout") return ESYS_TR_RH_LOCKOUT;
    if (name == "null") return ESYS_TR_RH_NULL;
  }
  misuse(value.Env(), what, "is not a hierarchy");
}

Ref Call::handle(const Napi::Value& value, const char* what, std::initializer_list<Kind> kinds) const {
  HandleRef ref = Handle::fromJs(value);
  if (!ref) misuse(env(), what, "is not a handle");
  if (!ref->belongsTo(context_->thread.get())) misuse(env(), what, "belongs to another context");
  if (std::find(kinds.begin(), kinds.end(), ref->kind()) == kinds.end()) {
    misuse(env(), what, "is a handle of another kind");
  }
  const ESYS_TR tr = ref->tr();
  return {tr, std::move(ref)};
}

Ref Call::entity(const Napi::Value& value, const char* what) const {
  if (value.IsString()) return {hierarchy(value, what), nullptr};
  return handle(value, what, {Kind::Object, Kind::Persistent, Kind::Nv});
}

Ref Call::object(const Napi::Value& value, const char* what) const {
  return handle(value, what, {Kind::Object, Kind::Persistent});
}

Ref Call::index(const Napi::Value& value, const char* what) const { return handle(value, what, {Kind::Nv}); }

Ref Call::session(const Napi::Value& value, const char* what) const { return handle(value, what, {Kind::Session}); }

Ref Call::optionalSession(const Napi::Object& options, const char* name) const {
  const Napi::Value value = options.Get(name);
  return value.IsUndefined() ? Ref{} : session(value, name);
}

// Sessions that authorise come first, in the order of the handles; then the one that only encrypts. The attributes
// are set anew for every command: the TPM refuses a session that asks for encryption where there is nothing to encrypt,
// two that both ask for it, and one that neither authorises nor encrypts (Part 1 §17.6.3, §18).
Slots Call::Sessions::slots(Esys& esys, const Spec& spec) const {
  Slots slots{ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE};
  std::size_t used = 0;
  bool encrypts = false;
  const auto place = [&](const Ref& session) {
    const ESYS_TR tr = session.in(esys);
    TPMA_SESSION flags = TPMA_SESSION_CONTINUESESSION;
    if (session.keep->encrypts() && !encrypts && (spec.encryptsIn || spec.encryptsOut)) {
      encrypts = true;
      if (spec.encryptsIn) flags |= TPMA_SESSION_DECRYPT;
      if (spec.encryptsOut) flags |= TPMA_SESSION_ENCRYPT;
    }
    check(Esys_TRSess_SetAttributes(esys.raw(), tr, flags, 0xFF));
    slots[used++] = tr;
  };
  const std::array<const Ref*, 2> given{&auth, &auth2};
  for (int i = 0; i < spec.auths; i++) {
    if (given[static_cast<std::size_t>(i)]->keep) {
      place(*given[static_cast<std::size_t>(i)]);
    } else {
      slots[used++] = ESYS_TR_PASSWORD;
    }
  }
  if (protect.keep && !encrypts && (spec.encryptsIn || spec.encryptsOut)) place(protect);
  return slots;
}

Napi::Value Call::queue(const char* name, Priority priority, Clock::time_point deadline, bool always,
                        Job::Run run) const {
  auto job = std::make_shared<Job>();
  job->ticket = std::make_shared<Ticket>(env(), context_->channel, name);
  job->priority = priority;
  job->deadline = deadline;
  job->run = std::move(run);
  const Napi::Value promise = job->ticket->deferred.Promise();
  context_->thread->submit(std::move(job), always);
  return promise;
}

Napi::Value Call::command(const Spec& spec, std::size_t options,
                          std::function<Answer(Esys&, const Slots&)> run) const {
  Sessions sessions;
  auto deadline = Clock::now() + context_->deadline;
  const Napi::Value given = info_[options];
  if (given.IsObject()) {
    const auto o = given.As<Napi::Object>();
    sessions = {optionalSession(o, "auth"), optionalSession(o, "auth2"), optionalSession(o, "protect")};
    if (sessions.protect.keep && !sessions.protect.keep->encrypts()) misuse(env(), "protect", "is not a salted session");
    const Napi::Value ms = o.Get("deadlineMs");
    if (!ms.IsUndefined()) deadline = Clock::now() + std::chrono::milliseconds(number(ms, "deadlineMs"));
  } else if (!given.IsUndefined()) {
    misuse(env(), "options", "is not an object");
  }
  return queue(spec.name, spec.priority, deadline, false,
               [spec, sessions = std::move(sessions), run = std::move(run)](std::unique_ptr<Esys>& esys) {
                 return run(*esys, sessions.slots(*esys, spec));
               });
}

Napi::Value Call::local(const char* name, bool always, std::function<Answer(Esys&)> run) const {
  return queue(name, Priority::Control, Clock::now() + context_->deadline, always,
               [run = std::move(run)](std::unique_ptr<Esys>& esys) { return run(*esys); });
}

std::function<HandleRef(Esys&, ESYS_TR, Kind, bool)> Call::adopter() const {
  return [owner = std::weak_ptr(context_->thread)](Esys& esys, ESYS_TR tr, Kind kind, bool encrypts) {
    return Handle::adopt(esys, owner, tr, kind, encrypts);
  };
}

}  // namespace attestd
