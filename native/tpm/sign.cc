// Signing, hashing inside the TPM (for the tickets that restricted keys ask for) and unsealing
// (TPM 2.0 Part 3 §15.4, §17, §20.2, §12.7).
#include "tpm/call.h"

namespace attestd {

namespace {

Answer digestAndTicket(const TPM2B_DIGEST& digest, const TPMT_TK_HASHCHECK& ticket) {
  return Record{{"digest", contents(digest)},
                {"ticket", toWire<TPMT_TK_HASHCHECK>(ticket, Tss2_MU_TPMT_TK_HASHCHECK_Marshal)}};
}

Ref sequence(const Call& call, const Napi::Value& value) { return call.handle(value, "sequence", {Kind::Sequence}); }

Napi::Value sign(const Call& call) {
  const auto key = call.object(call.field("key"), "key");
  const auto digest = Call::sized<TPM2B_DIGEST>(call.field("digest"), "digest");
  TPMT_SIG_SCHEME keyScheme{};
  keyScheme.scheme = TPM2_ALG_NULL;
  const auto scheme = Call::wireOr<TPMT_SIG_SCHEME>(call.field("scheme"), "scheme", Tss2_MU_TPMT_SIG_SCHEME_Unmarshal,
                                                    keyScheme);
  TPMT_TK_HASHCHECK none{};
  none.tag = TPM2_ST_HASHCHECK;
  none.hierarchy = TPM2_RH_NULL;
  const auto ticket =
      Call::wireOr<TPMT_TK_HASHCHECK>(call.field("ticket"), "ticket", Tss2_MU_TPMT_TK_HASHCHECK_Unmarshal, none);
  return call.command({.name = "TPM2_Sign", .priority = Priority::Sign, .auths = 1, .encryptsIn = true}, 1,
                      [=](Esys& esys, const Slots& s) -> Answer {
                        Out<TPMT_SIGNATURE> signature;
                        check(Esys_Sign(esys.raw(), key.in(esys), s[0], s[1], s[2], &digest, &scheme, &ticket,
                                        &signature));
                        return toWire<TPMT_SIGNATURE>(*signature, Tss2_MU_TPMT_SIGNATURE_Marshal);
                      });
}

Napi::Value hash(const Call& call) {
  const auto data = Call::sized<TPM2B_MAX_BUFFER>(call.field("data"), "data");
  const auto alg = static_cast<TPMI_ALG_HASH>(Call::number(call.field("hash"), "hash", 65535));
  const auto hierarchy = Call::hierarchy(call.field("hierarchy"), "hierarchy");
  return call.command({.name = "TPM2_Hash", .encryptsIn = true, .encryptsOut = true}, 1,
                      [=](Esys& esys, const Slots& s) -> Answer {
                        Out<TPM2B_DIGEST> digest;
                        Out<TPMT_TK_HASHCHECK> ticket;
                        check(Esys_Hash(esys.raw(), s[0], s[1], s[2], &data, alg, hierarchy, &digest, &ticket));
                        return digestAndTicket(*digest, *ticket);
                      });
}

Napi::Value hashSequenceStart(const Call& call) {
  const auto alg = static_cast<TPMI_ALG_HASH>(Call::number(call.arg(0), "hash", 65535));
  return call.command({.name = "TPM2_HashSequenceStart", .encryptsIn = true}, 1,
                      [alg, adopt = call.adopter()](Esys& esys, const Slots& s) -> Answer {
                        const TPM2B_AUTH none{};
                        ESYS_TR tr = ESYS_TR_NONE;
                        check(Esys_HashSequenceStart(esys.raw(), s[0], s[1], s[2], &none, alg, &tr));
                        return Scalar(adopt(esys, tr, Kind::Sequence, false));
                      });
}

Napi::Value sequenceUpdate(const Call& call) {
  const auto seq = sequence(call, call.arg(0));
  const auto data = Call::sized<TPM2B_MAX_BUFFER>(call.arg(1), "data");
  return call.command({.name = "TPM2_SequenceUpdate", .auths = 1, .encryptsIn = true}, 2,
                      [=](Esys& esys, const Slots& s) -> Answer {
                        check(Esys_SequenceUpdate(esys.raw(), seq.in(esys), s[0], s[1], s[2], &data));
                        return Nothing{};
                      });
}

Napi::Value sequenceComplete(const Call& call) {
  const auto seq = sequence(call, call.field("sequence"));
  const auto data = Call::sized<TPM2B_MAX_BUFFER>(call.field("data"), "data");
  const auto hierarchy = Call::hierarchy(call.field("hierarchy"), "hierarchy");
  return call.command({.name = "TPM2_SequenceComplete", .auths = 1, .encryptsIn = true, .encryptsOut = true}, 1,
                      [=](Esys& esys, const Slots& s) -> Answer {
                        Out<TPM2B_DIGEST> digest;
                        Out<TPMT_TK_HASHCHECK> ticket;
                        check(Esys_SequenceComplete(esys.raw(), seq.in(esys), s[0], s[1], s[2], &data, hierarchy,
                                                    &digest, &ticket));
                        esys.forget(seq.tr);  // the TPM and ESYS closed it
                        return digestAndTicket(*digest, *ticket);
                      });
}

Napi::Value unseal(const Call& call) {
  const auto object = call.object(call.arg(0), "object");
  return call.command({.name = "TPM2_Unseal", .auths = 1, .encryptsOut = true}, 1,
                      [object](Esys& esys, const Slots& s) -> Answer {
                        Out<TPM2B_SENSITIVE_DATA> data;
                        check(Esys_Unseal(esys.raw(), object.in(esys), s[0], s[1], s[2], &data));
                        return contents(*data);
                      });
}

constexpr MethodRow kMethods[] = {
    {"sign", sign},
    {"hash", hash},
    {"hashSequenceStart", hashSequenceStart},
    {"sequenceUpdate", sequenceUpdate},
    {"sequenceComplete", sequenceComplete},
    {"unseal", unseal},
};

}  // namespace

std::span<const MethodRow> signMethods() { return kMethods; }

}  // namespace attestd
