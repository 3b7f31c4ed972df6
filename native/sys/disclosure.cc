// Salted disclosures (RFC 9901 §4.2) in one call: two of them are in most records, and each is two encodings and a hash.
#include <cstdint>
#include <vector>

#include "sys/sha256.h"
#include "sys/sys.h"

namespace attestd {

namespace {

constexpr std::size_t SALT_BYTES = 16;
constexpr std::size_t SALT_CHARS = 22;
constexpr std::size_t DIGEST_CHARS = 43;
// Longer texts than this are measured first.
constexpr std::size_t SHORT_BYTES = 2048;

constexpr std::size_t encodedLength(std::size_t length) { return (length * 8 + 5) / 6; }

// base64url without padding (RFC 4648 §5), to `encodedLength(length)` bytes at `out`.
void base64Url(const std::uint8_t* data, std::size_t length, char* out) {
  static constexpr char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::size_t i = 0;
  for (; length - i >= 3; i += 3) {
    const std::uint32_t n =
        static_cast<std::uint32_t>(data[i]) << 16 | static_cast<std::uint32_t>(data[i + 1]) << 8 | data[i + 2];
    *out++ = ALPHABET[n >> 18];
    *out++ = ALPHABET[n >> 12 & 63];
    *out++ = ALPHABET[n >> 6 & 63];
    *out++ = ALPHABET[n & 63];
  }
  if (i == length) return;
  const std::uint32_t second = length - i == 2 ? data[i + 1] : 0;
  const std::uint32_t n = static_cast<std::uint32_t>(data[i]) << 16 | second << 8;
  *out++ = ALPHABET[n >> 18];
  *out++ = ALPHABET[n >> 12 & 63];
  if (length - i == 2) *out = ALPHABET[n >> 6 & 63];
}

}  // namespace

// disclosure(salt, rest): base64url of the SHA-256 of the text, then the text: base64url of `["salt",` and the UTF-8 of `rest`.
Napi::Value disclosure(const Napi::CallbackInfo& info) {
  const napi_env env = info.Env();
  const auto misuse = [&] { return Napi::TypeError::New(env, "disclosure takes a salt of 16 bytes and text"); };
  void* salt = nullptr;
  std::size_t length = 0;
  napi_typedarray_type type;
  if (napi_get_typedarray_info(env, info[0], &type, &length, &salt, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array || length != SALT_BYTES) {
    throw misuse();
  }
  constexpr std::size_t BEFORE = 2 + SALT_CHARS + 2;
  std::uint8_t shortJson[BEFORE + SHORT_BYTES];
  std::vector<std::uint8_t> longJson;
  std::uint8_t* json = shortJson;
  std::size_t written = 0;
  // A character takes four bytes at most, and none is written in part: what leaves room for one is there whole.
  if (napi_get_value_string_utf8(env, info[1], reinterpret_cast<char*>(json + BEFORE), SHORT_BYTES, &written) != napi_ok) {
    throw misuse();
  }
  if (written + 4 >= SHORT_BYTES) {
    std::size_t whole = 0;
    if (napi_get_value_string_utf8(env, info[1], nullptr, 0, &whole) != napi_ok) throw misuse();
    longJson.resize(BEFORE + whole + 1);
    json = longJson.data();
    if (napi_get_value_string_utf8(env, info[1], reinterpret_cast<char*>(json + BEFORE), whole + 1, &written) != napi_ok) {
      throw misuse();
    }
  }
  json[0] = '[';
  json[1] = '"';
  base64Url(static_cast<const std::uint8_t*>(salt), SALT_BYTES, reinterpret_cast<char*>(json + 2));
  json[BEFORE - 2] = '"';
  json[BEFORE - 1] = ',';

  const std::size_t bytes = BEFORE + written;
  const std::size_t chars = DIGEST_CHARS + encodedLength(bytes);
  char shortText[DIGEST_CHARS + (BEFORE + SHORT_BYTES) * 4 / 3 + 4];
  std::vector<char> longText;
  char* text = shortText;
  if (chars > sizeof shortText) {
    longText.resize(chars);
    text = longText.data();
  }
  base64Url(json, bytes, text + DIGEST_CHARS);
  std::uint8_t digest[HASH_BYTES];
  hashOf(reinterpret_cast<const std::uint8_t*>(text + DIGEST_CHARS), chars - DIGEST_CHARS, digest);
  base64Url(digest, HASH_BYTES, text);
  napi_value value;
  // All of it is ASCII.
  if (napi_create_string_latin1(env, text, chars, &value) != napi_ok) throw Napi::Error::New(env);
  return Napi::Value(env, value);
}

}  // namespace attestd
