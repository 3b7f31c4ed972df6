// Enhanced authorization (TPM 2.0 Part 3 §23): what the EK templates, sealed keys and keys bound to
// approved states need.
#include "tpm/call.h"

namespace attestd {

namespace {

Napi::Value policySecret(const Call& call) {
  const auto session = call.session(call.field("session"), "session");
  const auto entity = call.entity(call.field("entity"), "entity");
  const auto cpHash = Call::sized<TPM2B_DIGEST>(call.field("cpHash"), "cpHash", true);
  const auto policyRef = Call::sized<TPM2B_NONCE>(call.field("policyRef"), "policyRef", true);
  const Napi::Value seconds = call.field("expiration");
  const INT32 expiration = seconds.IsNumber() ? seconds.As<Napi::Number>().Int32Value() : 0;
  return call.command({.name = "TPM2_PolicySecret", .auths = 1, .encryptsIn = true, .encryptsOut = true}, 1,
                      [=](Esys& esys, const Slots& s) -> Answer {
                        const TPM2B_NONCE nonce{};
                        Out<TPM2B_TIMEOUT> timeout;
                        Out<TPMT_TK_AUTH> ticket;
                        check(Esys_PolicySecret(esys.raw(), entity.in(esys), session.in(esys), s[0], s[1], s[2],
                                                &nonce, &cpHash, &policyRef, expiration, &timeout, &ticket));
                        return Record{{"timeout", contents(*timeout)},
                                      {"ticket", toWire<TPMT_TK_AUTH>(*ticket, Tss2_MU_TPMT_TK_AUTH_Marshal)}};
                      });
}

Napi::Value policyOr(const Call& call) {
  const auto session = call.session(call.arg(0), "session");
  if (!call.arg(1).IsArray()) Call::misuse(call.env(), "digests", "is not an array");
  const auto array = call.arg(1).As<Napi::Array>();
  TPML_DIGEST list{};
  if (array.Length() > std::size(list.digests)) Call::misuse(call.env(), "digests", "are too many");
  for (std::uint32_t i = 0; i < array.Length(); i++) {
    list.digests[i] = Call::sized<TPM2B_DIGEST>(array.Get(i), "digests");
  }
  list.count = array.Length();
  return call.command({"TPM2_PolicyOR"}, 2, [=](Esys& esys, const Slots& s) -> Answer {
    check(Esys_PolicyOR(esys.raw(), session.in(esys), s[0], s[1], s[2], &list));
    return Nothing{};
  });
}

Napi::Value policyPcr(const Call& call) {
  const auto session = call.session(call.arg(0), "session");
  const auto digest = Call::sized<TPM2B_DIGEST>(call.arg(1), "digest");
  const auto selection =
      Call::wire<TPML_PCR_SELECTION>(call.arg(2), "selection", Tss2_MU_TPML_PCR_SELECTION_Unmarshal);
  return call.command({.name = "TPM2_PolicyPCR", .encryptsIn = true}, 3, [=](Esys& esys, const Slots& s) -> Answer {
    check(Esys_PolicyPCR(esys.raw(), session.in(esys), s[0], s[1], s[2], &digest, &selection));
    return Nothing{};
  });
}

Napi::Value policyCommandCode(const Call& call) {
  const auto session = call.session(call.arg(0), "session");
  const auto code = Call::number(call.arg(1), "code");
  return call.command({"TPM2_PolicyCommandCode"}, 2, [=](Esys& esys, const Slots& s) -> Answer {
    check(Esys_PolicyCommandCode(esys.raw(), session.in(esys), s[0], s[1], s[2], code));
    return Nothing{};
  });
}

Napi::Value policyAuthorize(const Call& call) {
  const auto session = call.session(call.field("session"), "session");
  const auto approved = Call::sized<TPM2B_DIGEST>(call.field("approvedPolicy"), "approvedPolicy");
  const auto policyRef = Call::sized<TPM2B_NONCE>(call.field("policyRef"), "policyRef");
  const auto keyName = Call::sized<TPM2B_NAME>(call.field("keyName"), "keyName");
  const auto ticket =
      Call::wire<TPMT_TK_VERIFIED>(call.field("ticket"), "ticket", Tss2_MU_TPMT_TK_VERIFIED_Unmarshal);
  return call.command({.name = "TPM2_PolicyAuthorize", .encryptsIn = true}, 1,
                      [=](Esys& esys, const Slots& s) -> Answer {
                        check(Esys_PolicyAuthorize(esys.raw(), session.in(esys), s[0], s[1], s[2], &approved,
                                                   &policyRef, &keyName, &ticket));
                        return Nothing{};
                      });
}

Napi::Value policyAuthValue(const Call& call) {
  const auto session = call.session(call.arg(0), "session");
  return call.command({"TPM2_PolicyAuthValue"}, 1, [=](Esys& esys, const Slots& s) -> Answer {
    check(Esys_PolicyAuthValue(esys.raw(), session.in(esys), s[0], s[1], s[2]));
    return Nothing{};
  });
}

// The ticket that TPM2_PolicyAuthorize asks for (Part 3 §20.1).
Napi::Value verifySignature(const Call& call) {
  const auto key = call.object(call.field("key"), "key");
  const auto digest = Call::sized<TPM2B_DIGEST>(call.field("digest"), "digest");
  const auto signature =
      Call::wire<TPMT_SIGNATURE>(call.field("signature"), "signature", Tss2_MU_TPMT_SIGNATURE_Unmarshal);
  return call.command({.name = "TPM2_VerifySignature", .encryptsIn = true}, 1,
                      [=](Esys& esys, const Slots& s) -> Answer {
                        Out<TPMT_TK_VERIFIED> ticket;
                        check(Esys_VerifySignature(esys.raw(), key.in(esys), s[0], s[1], s[2], &digest, &signature,
                                                   &ticket));
                        return toWire<TPMT_TK_VERIFIED>(*ticket, Tss2_MU_TPMT_TK_VERIFIED_Marshal);
                      });
}

Napi::Value policyGetDigest(const Call& call) {
  const auto session = call.session(call.arg(0), "session");
  return call.command({.name = "TPM2_PolicyGetDigest", .encryptsOut = true}, 1,
                      [=](Esys& esys, const Slots& s) -> Answer {
                        Out<TPM2B_DIGEST> digest;
                        check(Esys_PolicyGetDigest(esys.raw(), session.in(esys), s[0], s[1], s[2], &digest));
                        return contents(*digest);
                      });
}

constexpr MethodRow kMethods[] = {
    {"policySecret", policySecret},           {"policyOr", policyOr},
    {"policyPcr", policyPcr},                 {"policyCommandCode", policyCommandCode},
    {"policyAuthorize", policyAuthorize},     {"policyGetDigest", policyGetDigest},
    {"policyAuthValue", policyAuthValue},     {"verifySignature", verifySignature},
};

}  // namespace

std::span<const MethodRow> policyMethods() { return kMethods; }

}  // namespace attestd
