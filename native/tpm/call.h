// One call of a method of the context: reads its arguments into TPM structures, then queues the command. Arguments
// were validated in TypeScript; what is checked here is what memory safety needs, and it ends in a TypeError.
#pragma once

#include <napi.h>

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string>

#include "tpm/context.h"
#include "tpm/handle.h"
#include "tpm/wire.h"

namespace attestd {

// Something that authorises or is acted on. `keep` holds a handle's slot until the command has run.
struct Ref {
  ESYS_TR tr = ESYS_TR_NONE;
  HandleRef keep;
  // On the TPM thread: the number, unless the handle is dead.
  ESYS_TR in(const Esys& esys) const {
    if (keep) esys.require(tr);
    return tr;
  }
};

// The three session slots of a command.
using Slots = std::array<ESYS_TR, 3>;

// What the TPM 2.0 Library says about a command (Part 3: its handles, and whether its first parameters are sized
// buffers, the only ones that parameter encryption covers).
struct Spec {
  const char* name;
  Priority priority = Priority::Control;
  int auths = 0;
  bool encryptsIn = false;
  bool encryptsOut = false;
};

class Call {
 public:
  Call(const Napi::CallbackInfo& info, const std::shared_ptr<Context>& context) : info_(info), context_(context) {}

  Napi::Env env() const { return info_.Env(); }
  const std::shared_ptr<Context>& context() const { return context_; }
  // Argument `at`, or a field of the input object that is argument 0.
  Napi::Value arg(std::size_t at) const { return info_[at]; }
  Napi::Value field(const char* name) const;

  // Queues the command. Its options are argument `options`.
  Napi::Value command(const Spec& spec, std::size_t options, std::function<Answer(Esys&, const Slots&)> run) const;
  // The same for what ESYS does by itself: no sessions; `always` as in TpmThread::submit.
  Napi::Value local(const char* name, bool always, std::function<Answer(Esys&)> run) const;
  // Lists a new resource and makes the handle for it.
  std::function<HandleRef(Esys&, ESYS_TR, Kind, bool)> adopter() const;

  // Readers; `what` names the argument in the TypeError.
  static std::span<const std::uint8_t> bytes(const Napi::Value& value, const char* what);
  static std::uint32_t number(const Napi::Value& value, const char* what, double max = 4294967295.0);
  static ESYS_TR hierarchy(const Napi::Value& value, const char* what);
  Ref entity(const Napi::Value& value, const char* what) const;
  Ref handle(const Napi::Value& value, const char* what, std::initializer_list<Kind> kinds) const;
  Ref object(const Napi::Value& value, const char* what) const;
  Ref index(const Napi::Value& value, const char* what) const;
  Ref session(const Napi::Value& value, const char* what) const;

  // A TPM2B out of plain bytes; `optional`: undefined is empty.
  template <class B>
  static Wiped<B> sized(const Napi::Value& value, const char* what, bool optional = false) {
    Wiped<B> out;
    if (optional && value.IsUndefined()) return out;
    const auto in = bytes(value, what);
    auto& array = arrayOf(static_cast<B&>(out));
    if (in.size() > sizeof array) misuse(value.Env(), what, "is too long");
    std::copy(in.begin(), in.end(), array);  // memcpy takes no null, which an empty array's data is
    out.size = static_cast<UINT16>(in.size());
    return out;
  }
  // A structure out of its wire bytes.
  template <class T>
  static T wire(const Napi::Value& value, const char* what, Unmarshal<T> unmarshal) {
    T out{};
    if (!fromWire<T>(bytes(value, what), out, unmarshal)) misuse(value.Env(), what, "is not the structure it should be");
    return out;
  }
  // The same where undefined stands for `otherwise`.
  template <class T>
  static T wireOr(const Napi::Value& value, const char* what, Unmarshal<T> unmarshal, const T& otherwise) {
    return value.IsUndefined() ? otherwise : wire<T>(value, what, unmarshal);
  }

  [[noreturn]] static void misuse(Napi::Env env, const char* what, const char* why);

 private:
  struct Sessions {
    Ref auth, auth2, protect;
    Slots slots(Esys& esys, const Spec& spec) const;
  };
  Napi::Value queue(const char* name, Priority priority, Clock::time_point deadline, bool always, Job::Run run) const;
  Ref optionalSession(const Napi::Object& options, const char* name) const;

  const Napi::CallbackInfo& info_;
  const std::shared_ptr<Context>& context_;
};

// A method of the context.
using Method = Napi::Value (*)(const Call&);
struct MethodRow {
  const char* name;
  Method method;
};
// One list per file of commands.
std::span<const MethodRow> adminMethods();
std::span<const MethodRow> objectMethods();
std::span<const MethodRow> sessionMethods();
std::span<const MethodRow> policyMethods();
std::span<const MethodRow> attestMethods();
std::span<const MethodRow> pcrMethods();
std::span<const MethodRow> nvMethods();
std::span<const MethodRow> signMethods();

}  // namespace attestd
