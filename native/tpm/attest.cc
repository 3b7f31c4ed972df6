// Attestation (TPM 2.0 Part 3 §18) and credentials (§12.5, §12.6). The scheme is the key's own unless one is given.
#include "tpm/call.h"

namespace attestd {

namespace {

struct Request {
  Ref key;
  TPM2B_DATA data{};
  TPMT_SIG_SCHEME scheme{};
};

TPMT_SIG_SCHEME keyScheme() {
  TPMT_SIG_SCHEME scheme{};
  scheme.scheme = TPM2_ALG_NULL;
  return scheme;
}

Request request(const Call& call) {
  return {call.object(call.field("key"), "key"),
          Call::sized<TPM2B_DATA>(call.field("qualifyingData"), "qualifyingData"),
          Call::wireOr<TPMT_SIG_SCHEME>(call.field("scheme"), "scheme", Tss2_MU_TPMT_SIG_SCHEME_Unmarshal,
                                        keyScheme())};
}

Spec quoteClass(const char* name, int auths) {
  return {.name = name, .priority = Priority::Quote, .auths = auths, .encryptsIn = true, .encryptsOut = true};
}

Answer attestation(const TPM2B_ATTEST& attest, const TPMT_SIGNATURE& signature) {
  return Record{{"attest", contents(attest)},
                {"signature", toWire<TPMT_SIGNATURE>(signature, Tss2_MU_TPMT_SIGNATURE_Marshal)}};
}

Napi::Value quote(const Call& call) {
  const auto selection =
      Call::wire<TPML_PCR_SELECTION>(call.field("selection"), "selection", Tss2_MU_TPML_PCR_SELECTION_Unmarshal);
  return call.command(quoteClass("TPM2_Quote", 1), 1,
                      [r = request(call), selection](Esys& esys, const Slots& s) -> Answer {
                        Out<TPM2B_ATTEST> attest;
                        Out<TPMT_SIGNATURE> signature;
                        check(Esys_Quote(esys.raw(), r.key.in(esys), s[0], s[1], s[2], &r.data, &r.scheme, &selection,
                                         &attest, &signature));
                        return attestation(*attest, *signature);
                      });
}

Napi::Value getTime(const Call& call) {
  return call.command(quoteClass("TPM2_GetTime", 2), 1, [r = request(call)](Esys& esys, const Slots& s) -> Answer {
    Out<TPM2B_ATTEST> attest;
    Out<TPMT_SIGNATURE> signature;
    check(Esys_GetTime(esys.raw(), ESYS_TR_RH_ENDORSEMENT, r.key.in(esys), s[0], s[1], s[2], &r.data, &r.scheme,
                       &attest, &signature));
    return attestation(*attest, *signature);
  });
}

Napi::Value certify(const Call& call) {
  const auto object = call.object(call.field("object"), "object");
  return call.command(quoteClass("TPM2_Certify", 2), 1,
                      [r = request(call), object](Esys& esys, const Slots& s) -> Answer {
                        Out<TPM2B_ATTEST> attest;
                        Out<TPMT_SIGNATURE> signature;
                        check(Esys_Certify(esys.raw(), object.in(esys), r.key.in(esys), s[0], s[1], s[2], &r.data,
                                           &r.scheme, &attest, &signature));
                        return attestation(*attest, *signature);
                      });
}

Napi::Value certifyCreation(const Call& call) {
  const auto object = call.object(call.field("object"), "object");
  const auto hash = Call::sized<TPM2B_DIGEST>(call.field("creationHash"), "creationHash");
  const auto ticket = Call::wire<TPMT_TK_CREATION>(call.field("creationTicket"), "creationTicket",
                                                   Tss2_MU_TPMT_TK_CREATION_Unmarshal);
  return call.command(quoteClass("TPM2_CertifyCreation", 1), 1,
                      [=, r = request(call)](Esys& esys, const Slots& s) -> Answer {
                        Out<TPM2B_ATTEST> attest;
                        Out<TPMT_SIGNATURE> signature;
                        check(Esys_CertifyCreation(esys.raw(), r.key.in(esys), object.in(esys), s[0], s[1], s[2],
                                                   &r.data, &hash, &r.scheme, &ticket, &attest, &signature));
                        return attestation(*attest, *signature);
                      });
}

Napi::Value nvCertify(const Call& call) {
  const auto entity = call.entity(call.field("entity"), "entity");
  const auto index = call.index(call.field("index"), "index");
  const auto size = static_cast<UINT16>(Call::number(call.field("size"), "size", 65535));
  const auto offset = static_cast<UINT16>(Call::number(call.field("offset"), "offset", 65535));
  return call.command(quoteClass("TPM2_NV_Certify", 2), 1,
                      [=, r = request(call)](Esys& esys, const Slots& s) -> Answer {
                        Out<TPM2B_ATTEST> attest;
                        Out<TPMT_SIGNATURE> signature;
                        check(Esys_NV_Certify(esys.raw(), r.key.in(esys), entity.in(esys), index.in(esys), s[0], s[1],
                                              s[2], &r.data, &r.scheme, size, offset, &attest, &signature));
                        return attestation(*attest, *signature);
                      });
}

Napi::Value makeCredential(const Call& call) {
  const auto key = call.object(call.field("key"), "key");
  const auto credential = Call::sized<TPM2B_DIGEST>(call.field("credential"), "credential");
  const auto name = Call::sized<TPM2B_NAME>(call.field("objectName"), "objectName");
  return call.command({.name = "TPM2_MakeCredential", .encryptsIn = true, .encryptsOut = true}, 1,
                      [=](Esys& esys, const Slots& s) -> Answer {
                        Out<TPM2B_ID_OBJECT> blob;
                        Out<TPM2B_ENCRYPTED_SECRET> secret;
                        check(Esys_MakeCredential(esys.raw(), key.in(esys), s[0], s[1], s[2], &credential, &name,
                                                  &blob, &secret));
                        return Record{{"credentialBlob", contents(*blob)}, {"secret", contents(*secret)}};
                      });
}

Napi::Value activateCredential(const Call& call) {
  const auto object = call.object(call.field("object"), "object");
  const auto key = call.object(call.field("key"), "key");
  const auto blob = Call::sized<TPM2B_ID_OBJECT>(call.field("credentialBlob"), "credentialBlob");
  const auto secret = Call::sized<TPM2B_ENCRYPTED_SECRET>(call.field("secret"), "secret");
  return call.command({.name = "TPM2_ActivateCredential", .auths = 2, .encryptsIn = true, .encryptsOut = true}, 1,
                      [=](Esys& esys, const Slots& s) -> Answer {
                        Out<TPM2B_DIGEST> credential;
                        check(Esys_ActivateCredential(esys.raw(), object.in(esys), key.in(esys), s[0], s[1], s[2],
                                                      &blob, &secret, &credential));
                        return contents(*credential);
                      });
}

constexpr MethodRow kMethods[] = {
    {"quote", quote},
    {"getTime", getTime},
    {"certify", certify},
    {"certifyCreation", certifyCreation},
    {"nvCertify", nvCertify},
    {"makeCredential", makeCredential},
    {"activateCredential", activateCredential},
};

}  // namespace

std::span<const MethodRow> attestMethods() { return kMethods; }

}  // namespace attestd
