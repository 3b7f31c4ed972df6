#include "tpm/response.h"

#include <tss2/tss2_tpm2_types.h>

#include <string_view>

namespace attestd {

namespace {

// Parameters of a response, one letter each; the handle, if there is one, comes before them.
//   1 4  unsigned integers of so many bytes     b  TPM2B
//   t    TPMT_TK_*                              s  TPMT_SIGNATURE
//   i    TPMS_TIME_INFO                         p  TPML_PCR_SELECTION
//   d    TPML_DIGEST                            *  anything (TPMS_CAPABILITY_DATA, checked when it is unmarshalled)
struct Shape {
  std::uint32_t code;
  bool handle;
  std::string_view parameters;
};

constexpr Shape kShapes[] = {
    {TPM2_CC_ActivateCredential, false, "b"},
    {TPM2_CC_Certify, false, "bs"},
    {TPM2_CC_CertifyCreation, false, "bs"},
    {TPM2_CC_Create, false, "bbbbt"},
    {TPM2_CC_CreatePrimary, true, "bbbtb"},
    {TPM2_CC_FlushContext, false, ""},
    {TPM2_CC_GetCapability, false, "1*"},
    {TPM2_CC_GetRandom, false, "b"},
    {TPM2_CC_GetTestResult, false, "b4"},
    {TPM2_CC_GetTime, false, "bs"},
    {TPM2_CC_Hash, false, "bt"},
    {TPM2_CC_HashSequenceStart, true, ""},
    {TPM2_CC_Load, true, "b"},
    {TPM2_CC_LoadExternal, true, "b"},
    {TPM2_CC_MakeCredential, false, "bb"},
    {TPM2_CC_NV_Certify, false, "bs"},
    {TPM2_CC_NV_DefineSpace, false, ""},
    {TPM2_CC_NV_Extend, false, ""},
    {TPM2_CC_NV_Increment, false, ""},
    {TPM2_CC_NV_Read, false, "b"},
    {TPM2_CC_NV_ReadPublic, false, "bb"},
    {TPM2_CC_NV_UndefineSpace, false, ""},
    {TPM2_CC_PCR_Extend, false, ""},
    {TPM2_CC_PCR_Read, false, "4pd"},
    {TPM2_CC_PCR_Reset, false, ""},
    {TPM2_CC_PolicyAuthorize, false, ""},
    {TPM2_CC_PolicyAuthValue, false, ""},
    {TPM2_CC_PolicyCommandCode, false, ""},
    {TPM2_CC_PolicyGetDigest, false, "b"},
    {TPM2_CC_PolicyOR, false, ""},
    {TPM2_CC_PolicyPCR, false, ""},
    {TPM2_CC_PolicySecret, false, "bt"},
    {TPM2_CC_Quote, false, "bs"},
    {TPM2_CC_ReadClock, false, "i"},
    {TPM2_CC_ReadPublic, false, "bbb"},
    {TPM2_CC_SelfTest, false, ""},
    {TPM2_CC_SequenceComplete, false, "bt"},
    {TPM2_CC_SequenceUpdate, false, ""},
    {TPM2_CC_Shutdown, false, ""},
    {TPM2_CC_Sign, false, "s"},
    {TPM2_CC_StartAuthSession, true, "b"},
    {TPM2_CC_Startup, false, ""},
    {TPM2_CC_TestParms, false, ""},
    {TPM2_CC_Unseal, false, "b"},
    {TPM2_CC_VerifySignature, false, "t"},
};

class Walker {
 public:
  explicit Walker(std::span<const std::uint8_t> bytes) : rest_(bytes) {}
  bool ok() const { return ok_; }
  bool atEnd() const { return ok_ && rest_.empty(); }
  std::size_t left() const { return rest_.size(); }

  void skip(std::size_t n) {
    ok_ = ok_ && n <= rest_.size();
    rest_ = ok_ ? rest_.subspan(n) : std::span<const std::uint8_t>{};
  }
  std::uint32_t number(std::size_t width) {
    if (width > rest_.size()) {
      skip(width);
      return 0;
    }
    std::uint32_t n = 0;
    for (std::size_t i = 0; i < width; i++) n = n << 8 | rest_[i];
    skip(width);
    return n;
  }
  void sized() { skip(number(2)); }
  Walker take(std::size_t n) {
    Walker part(rest_.first(n <= rest_.size() ? n : 0));
    skip(n);
    return part;
  }

  void parameter(char letter) {
    switch (letter) {
      case '1':
        return skip(1);
      case '4':
        return skip(4);
      case 'b':
        return sized();
      case 't':
        skip(6);
        return sized();
      case 's':
        return signature();
      case 'i':
        return skip(25);
      case 'p':
        for (auto n = number(4); ok_ && n > 0; n--) {
          skip(2);
          skip(number(1));
        }
        return;
      case 'd':
        for (auto n = number(4); ok_ && n > 0; n--) sized();
        return;
      default:
        return skip(rest_.size());
    }
  }

 private:
  void signature() {
    switch (number(2)) {
      case TPM2_ALG_NULL:
        return;
      case TPM2_ALG_RSASSA:
      case TPM2_ALG_RSAPSS:
        skip(2);
        return sized();
      case TPM2_ALG_ECDSA:
      case TPM2_ALG_ECDAA:
      case TPM2_ALG_SM2:
      case TPM2_ALG_ECSCHNORR:
        skip(2);
        sized();
        return sized();
      default:  // HMAC: hash and a digest, whose unmarshalling checks it
        return skip(rest_.size());
    }
  }

  std::span<const std::uint8_t> rest_;
  bool ok_ = true;
};

const Shape* shapeOf(std::uint32_t code) {
  for (const auto& shape : kShapes) {
    if (shape.code == code) return &shape;
  }
  return nullptr;
}

}  // namespace

bool wholeResponse(std::uint32_t code, std::span<const std::uint8_t> response) {
  Walker walk(response);
  const auto tag = walk.number(2);
  const auto size = walk.number(4);
  const auto rc = walk.number(4);
  if (!walk.ok() || size != response.size()) return false;
  if (rc != TPM2_RC_SUCCESS) return walk.atEnd();
  const Shape* shape = shapeOf(code);
  if (shape == nullptr) return false;  // not a command of ours
  if (shape->handle) walk.skip(4);
  if (tag != TPM2_ST_SESSIONS && tag != TPM2_ST_NO_SESSIONS) return false;
  const auto length = tag == TPM2_ST_SESSIONS ? walk.number(4) : static_cast<std::uint32_t>(walk.left());
  if (!walk.ok() || length > walk.left()) return false;
  Walker parameters = walk.take(length);
  for (const char letter : shape->parameters) parameters.parameter(letter);
  if (!parameters.atEnd()) return false;
  // The authorisation area: nonceTPM, attributes, HMAC for each session.
  while (walk.ok() && walk.left() > 0) {
    walk.sized();
    walk.skip(1);
    walk.sized();
  }
  return walk.ok();
}

std::optional<std::uint32_t> madeHandle(std::uint32_t code, std::span<const std::uint8_t> response) {
  const Shape* shape = shapeOf(code);
  if (shape == nullptr || !shape->handle) return std::nullopt;
  Walker walk(response);
  walk.skip(6);
  const auto rc = walk.number(4);
  const auto handle = walk.number(4);
  if (!walk.ok() || rc != TPM2_RC_SUCCESS) return std::nullopt;
  return handle;
}

}  // namespace attestd
