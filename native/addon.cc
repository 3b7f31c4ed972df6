// What the addon exports, and the state of one environment (the main thread or a worker thread of Node).
#include <napi.h>

#include "sys/sys.h"
#include "tpm/context.h"
#include "tpm/rc.h"

namespace attestd {

namespace {

Napi::Value describeRc(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  if (!info[0].IsNumber()) throw Napi::TypeError::New(env, "rc is not a number");
  const RcText text = describe(info[0].As<Napi::Number>().Uint32Value());
  auto out = Napi::Object::New(env);
  out.Set("layer", text.layer);
  out.Set("name", text.name);
  out.Set("base", text.base);
  return out;
}

using Function = Napi::Value (*)(const Napi::CallbackInfo&);
struct Export {
  const char* name;
  Function function;
};

constexpr Export kExports[] = {
    {"openTpm", openTpm},
    {"describeRc", describeRc},
    {"peerCredentials", peerCredentials},
    {"pidfdAlive", pidfdAlive},
    {"pidOfPidfd", pidOfPidfd},
    {"closeFd", closeFd},
    {"lockFile", lockFile},
    {"notify", notify},
    {"nsmExchange", nsmExchange},
    {"inheritSocket", inheritSocket},
    {"setDumpable", setDumpable},
    {"forbidCores", forbidCores},
    {"hasCrc32c", hasCrc32c},
    {"crc32c", crc32c},
    {"disclosure", disclosure},
    {"sha256", sha256},
    {"preallocate", preallocate},
    {"syncFd", syncFd},
    {"writeNewFile", writeNewFile},
    {"SyncWriter", makeWriter},
};

Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto* threads = new ThreadList;
  env.SetInstanceData(threads);
  env.AddCleanupHook([](ThreadList* list) { list->stopAll(); }, threads);
  for (const auto& [name, function] : kExports) exports.Set(name, Napi::Function::New(env, function, name));
  exports.Set("tssVersion", TSS_VERSION);
  return exports;
}

}  // namespace

}  // namespace attestd

Napi::Object Init(Napi::Env env, Napi::Object exports) { return attestd::init(env, exports); }

NODE_API_MODULE(attestd, Init)
