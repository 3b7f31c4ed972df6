// Sessions (TPM 2.0 Part 3 §11). One started with a key is salted to it and encrypts parameters with AES-128-CFB;
// one started without is neither, because encryption without a salt protects nothing from whoever sees the bus.
#include <string>

#include "tpm/call.h"

namespace attestd {

namespace {

TPM2_SE sessionType(const Napi::Value& value) {
  if (value.IsString()) {
    const std::string name = value.As<Napi::String>();
    if (name == "hmac") return TPM2_SE_HMAC;
    if (name == "policy") return TPM2_SE_POLICY;
    if (name == "trial") return TPM2_SE_TRIAL;
  }
  Call::misuse(value.Env(), "type", "is not hmac, policy or trial");
}

TPMI_ALG_HASH sessionHash(const Napi::Value& value) {
  if (value.IsUndefined()) return TPM2_ALG_SHA256;
  if (value.IsString()) {
    const std::string name = value.As<Napi::String>();
    if (name == "sha256") return TPM2_ALG_SHA256;
    if (name == "sha384") return TPM2_ALG_SHA384;
    if (name == "sha512") return TPM2_ALG_SHA512;
  }
  Call::misuse(value.Env(), "hash", "is not sha256, sha384 or sha512");
}

Napi::Value startSession(const Call& call) {
  const auto type = sessionType(call.field("type"));
  const auto hash = sessionHash(call.field("hash"));
  const Napi::Value key = call.field("tpmKey");
  const Ref salt = key.IsUndefined() ? Ref{} : call.object(key, "tpmKey");
  return call.command({"TPM2_StartAuthSession"}, 1, [=, adopt = call.adopter()](Esys& esys, const Slots& s) -> Answer {
    TPMT_SYM_DEF symmetric{};
    symmetric.algorithm = TPM2_ALG_NULL;
    if (salt.keep) {
      symmetric.algorithm = TPM2_ALG_AES;
      symmetric.keyBits.aes = 128;
      symmetric.mode.aes = TPM2_ALG_CFB;
    }
    ESYS_TR tr = ESYS_TR_NONE;
    check(Esys_StartAuthSession(esys.raw(), salt.keep ? salt.in(esys) : ESYS_TR_NONE, ESYS_TR_NONE, s[0], s[1], s[2],
                                nullptr, type, &symmetric, hash, &tr));
    return Scalar(adopt(esys, tr, Kind::Session, salt.keep != nullptr && type != TPM2_SE_TRIAL));
  });
}

constexpr MethodRow kMethods[] = {{"startSession", startSession}};

}  // namespace

std::span<const MethodRow> sessionMethods() { return kMethods; }

}  // namespace attestd
