// Start, stop, test and capabilities (TPM 2.0 Part 3 §9, §10, §16, §29, §30).
#include <tss2/tss2_sys.h>

#include <string>

#include "tpm/call.h"

namespace attestd {

namespace {

TPM2_SU startupType(const Napi::Value& value) {
  if (value.IsString()) {
    const std::string name = value.As<Napi::String>();
    if (name == "clear") return TPM2_SU_CLEAR;
    if (name == "state") return TPM2_SU_STATE;
  }
  Call::misuse(value.Env(), "type", "is neither clear nor state");
}

Napi::Value startup(const Call& call) {
  const auto type = startupType(call.arg(0));
  return call.command({"TPM2_Startup"}, 1, [type](Esys& esys, const Slots&) -> Answer {
    check(Esys_Startup(esys.raw(), type));
    return Nothing{};
  });
}

Napi::Value shutdown(const Call& call) {
  const auto type = startupType(call.arg(0));
  return call.command({"TPM2_Shutdown"}, 1, [type](Esys& esys, const Slots& s) -> Answer {
    check(Esys_Shutdown(esys.raw(), s[0], s[1], s[2], type));
    return Nothing{};
  });
}

Napi::Value selfTest(const Call& call) {
  const TPMI_YES_NO full = call.arg(0).ToBoolean() ? TPM2_YES : TPM2_NO;
  return call.command({"TPM2_SelfTest"}, 1, [full](Esys& esys, const Slots& s) -> Answer {
    check(Esys_SelfTest(esys.raw(), s[0], s[1], s[2], full));
    return Nothing{};
  });
}

Napi::Value getTestResult(const Call& call) {
  return call.command({.name = "TPM2_GetTestResult", .encryptsOut = true}, 0, [](Esys& esys, const Slots& s) -> Answer {
    Out<TPM2B_MAX_BUFFER> data;
    TPM2_RC result = 0;
    check(Esys_GetTestResult(esys.raw(), s[0], s[1], s[2], &data, &result));
    return Record{{"outData", contents(*data)}, {"testResult", static_cast<double>(result)}};
  });
}

Napi::Value getCapability(const Call& call) {
  const auto capability = Call::number(call.arg(0), "capability");
  const auto property = Call::number(call.arg(1), "property");
  const auto count = Call::number(call.arg(2), "count");
  return call.command({"TPM2_GetCapability"}, 3, [=](Esys& esys, const Slots& s) -> Answer {
    Out<TPMS_CAPABILITY_DATA> data;
    TPMI_YES_NO more = TPM2_NO;
    check(Esys_GetCapability(esys.raw(), s[0], s[1], s[2], capability, property, count, &more, &data));
    return Record{{"more", more == TPM2_YES},
                  {"data", toWire<TPMS_CAPABILITY_DATA>(*data, Tss2_MU_TPMS_CAPABILITY_DATA_Marshal)}};
  });
}

Napi::Value testParms(const Call& call) {
  const auto parms = Call::wire<TPMT_PUBLIC_PARMS>(call.arg(0), "parms", Tss2_MU_TPMT_PUBLIC_PARMS_Unmarshal);
  return call.command({"TPM2_TestParms"}, 1, [parms](Esys& esys, const Slots& s) -> Answer {
    check(Esys_TestParms(esys.raw(), s[0], s[1], s[2], &parms));
    return Nothing{};
  });
}

Napi::Value getRandom(const Call& call) {
  const auto count = static_cast<UINT16>(Call::number(call.arg(0), "bytes", 65535));
  return call.command({.name = "TPM2_GetRandom", .encryptsOut = true}, 1, [count](Esys& esys, const Slots& s) -> Answer {
    Out<TPM2B_DIGEST> random;
    check(Esys_GetRandom(esys.raw(), s[0], s[1], s[2], count, &random));
    return contents(*random);
  });
}

Napi::Value readClock(const Call& call) {
  return call.command({"TPM2_ReadClock"}, 0, [](Esys& esys, const Slots& s) -> Answer {
    Out<TPMS_TIME_INFO> now;
    check(Esys_ReadClock(esys.raw(), s[0], s[1], s[2], &now));
    const auto& clock = now->clockInfo;
    return Record{{"time", static_cast<std::uint64_t>(now->time)},
                  {"clock", static_cast<std::uint64_t>(clock.clock)},
                  {"resetCount", static_cast<double>(clock.resetCount)},
                  {"restartCount", static_cast<double>(clock.restartCount)},
                  {"safe", clock.safe == TPM2_YES}};
  });
}

// Past ESYS, which cannot name what it has not made: slots of a process that was killed, or of a response that was lost.
Napi::Value flushUnowned(const Call& call) {
  const auto handle = Call::number(call.arg(0), "tpmHandle");
  return call.command({"TPM2_FlushContext"}, 1, [handle](Esys& esys, const Slots&) -> Answer {
    TSS2_SYS_CONTEXT* sys = nullptr;
    check(Esys_GetSysContext(esys.raw(), &sys));
    check(Tss2_Sys_FlushContext(sys, handle));
    return Nothing{};
  });
}

constexpr MethodRow kMethods[] = {
    {"flushUnowned", flushUnowned},
    {"startup", startup},         {"shutdown", shutdown},     {"selfTest", selfTest},
    {"getTestResult", getTestResult}, {"getCapability", getCapability}, {"testParms", testParms},
    {"getRandom", getRandom},     {"readClock", readClock},
};

}  // namespace

std::span<const MethodRow> adminMethods() { return kMethods; }

}  // namespace attestd
