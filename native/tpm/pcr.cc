// Platform configuration registers (TPM 2.0 Part 3 §22).
#include "tpm/call.h"

namespace attestd {

namespace {

ESYS_TR pcr(const Napi::Value& value) { return ESYS_TR_PCR0 + Call::number(value, "pcr", 31); }

Napi::Value pcrRead(const Call& call) {
  const auto selection =
      Call::wire<TPML_PCR_SELECTION>(call.arg(0), "selection", Tss2_MU_TPML_PCR_SELECTION_Unmarshal);
  return call.command({"TPM2_PCR_Read"}, 1, [selection](Esys& esys, const Slots& s) -> Answer {
    UINT32 counter = 0;
    Out<TPML_PCR_SELECTION> read;
    Out<TPML_DIGEST> digests;
    check(Esys_PCR_Read(esys.raw(), s[0], s[1], s[2], &selection, &counter, &read, &digests));
    std::vector<Bytes> values;
    for (UINT32 i = 0; i < digests->count && i < std::size(digests->digests); i++) {
      values.push_back(contents(digests->digests[i]));
    }
    return Record{{"updateCounter", static_cast<double>(counter)},
                  {"selection", toWire<TPML_PCR_SELECTION>(*read, Tss2_MU_TPML_PCR_SELECTION_Marshal)},
                  {"values", std::move(values)}};
  });
}

Napi::Value pcrExtend(const Call& call) {
  const auto tr = pcr(call.arg(0));
  const auto digests =
      Call::wire<TPML_DIGEST_VALUES>(call.arg(1), "digests", Tss2_MU_TPML_DIGEST_VALUES_Unmarshal);
  return call.command({.name = "TPM2_PCR_Extend", .auths = 1}, 2, [=](Esys& esys, const Slots& s) -> Answer {
    check(Esys_PCR_Extend(esys.raw(), tr, s[0], s[1], s[2], &digests));
    return Nothing{};
  });
}

Napi::Value pcrReset(const Call& call) {
  const auto tr = pcr(call.arg(0));
  return call.command({.name = "TPM2_PCR_Reset", .auths = 1}, 1, [=](Esys& esys, const Slots& s) -> Answer {
    check(Esys_PCR_Reset(esys.raw(), tr, s[0], s[1], s[2]));
    return Nothing{};
  });
}

constexpr MethodRow kMethods[] = {{"pcrRead", pcrRead}, {"pcrExtend", pcrExtend}, {"pcrReset", pcrReset}};

}  // namespace

std::span<const MethodRow> pcrMethods() { return kMethods; }

}  // namespace attestd
