#include "tpm/context.h"

#include <cstdlib>

#include "tpm/call.h"

namespace attestd {

namespace {

constexpr std::chrono::milliseconds kExitGrace{1000};

// Misuse rejects the promise too: a method that sometimes throws and sometimes rejects is caught twice.
Napi::Value invoke(const Napi::CallbackInfo& info, const std::shared_ptr<Context>& context, Method method) {
  try {
    return method(Call(info, context));
  } catch (const Napi::Error& e) {
    auto deferred = Napi::Promise::Deferred::New(info.Env());
    deferred.Reject(e.Value());
    return deferred.Promise();
  }
}

Napi::Value close(const Call& call) {
  const auto& context = *call.context();
  auto ticket = std::make_shared<Ticket>(call.env(), context.channel, "close");
  const Napi::Value promise = ticket->deferred.Promise();
  context.thread->stop(ticket, Clock::now() + context.deadline);
  return promise;
}

Napi::Value state(const Call& call) {
  const auto s = call.context()->thread->state();
  auto out = Napi::Object::New(call.env());
  out.Set("queued", static_cast<double>(s.queued));
  out.Set("objects", s.objects);
  out.Set("sessions", s.sessions);
  out.Set("stalled", s.stalled);
  out.Set("closed", s.closed);
  return out;
}

constexpr MethodRow kMethods[] = {{"close", close}, {"state", state}};

Napi::Object face(Napi::Env env, const std::shared_ptr<Context>& context) {
  auto object = Napi::Object::New(env);
  const auto add = [&](std::span<const MethodRow> rows) {
    for (const auto& row : rows) {
      const auto call = [context, method = row.method](const Napi::CallbackInfo& i) {
        return invoke(i, context, method);
      };
      object.Set(row.name, Napi::Function::New(env, call, row.name));
    }
  };
  for (const auto rows : {std::span<const MethodRow>(kMethods), adminMethods(), objectMethods(), sessionMethods(),
                          policyMethods(), attestMethods(), pcrMethods(), nvMethods(), signMethods()}) {
    add(rows);
  }
  return object;
}

}  // namespace

void ThreadList::stopAll() {
  for (const auto& weak : threads) {
    if (const auto thread = weak.lock()) thread->stop(nullptr, Clock::time_point::max());
  }
  for (const auto& weak : threads) {
    if (const auto thread = weak.lock()) thread->waitEnded(kExitGrace);
  }
}

Napi::Value openTpm(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  if (!info[0].IsObject()) Call::misuse(env, "input", "is not an object");
  const auto input = info[0].As<Napi::Object>();
  const Napi::Value tctiValue = input.Get("tcti");
  if (!tctiValue.IsString()) Call::misuse(env, "tcti", "is not a string");
  const std::string tcti = tctiValue.As<Napi::String>();

  // The libraries print every refused command to stderr unless told otherwise; our errors carry the same facts.
  setenv("TSS2_LOG", "all+none", 0);

  auto context = std::make_shared<Context>();
  context->deadline = std::chrono::milliseconds(Call::number(input.Get("deadlineMs"), "deadlineMs"));
  const auto limit = Call::number(input.Get("queue"), "queue");
  context->channel = Channel::open(env, "attestd-tpm");
  context->thread = std::make_shared<TpmThread>(limit);
  auto& list = env.GetInstanceData<ThreadList>()->threads;
  std::erase_if(list, [](const auto& weak) { return weak.expired(); });
  list.push_back(context->thread);

  auto job = std::make_shared<Job>();
  job->opens = true;
  job->ticket = std::make_shared<Ticket>(env, context->channel, "open");
  job->deadline = Clock::now() + context->deadline;
  // The thread is named weakly: it must not own the context that ends it.
  job->run = [tcti, thread = std::weak_ptr(context->thread)](std::unique_ptr<Esys>& esys) -> Answer {
    if (const auto t = thread.lock()) esys = std::make_unique<Esys>(tcti, t->occupancy());
    return Nothing{};
  };
  job->convert = [context](Napi::Env e, const Answer&) -> Napi::Value { return face(e, context); };
  const Napi::Value promise = job->ticket->deferred.Promise();
  context->thread->start(std::move(job));
  return promise;
}

}  // namespace attestd
