// SHA-256 without a string or an object made for each: what a record costs is mostly this. The low-level functions of
// OpenSSL on purpose: the EVP ones look the algorithm up by name at every call.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <cstdint>

#include "sys/sha256.h"
#include "sys/sys.h"

namespace attestd {

namespace {

struct View {
  std::uint8_t* data = nullptr;
  std::size_t length = 0;
};

View view(const Napi::CallbackInfo& info, std::size_t at) {
  View v;
  void* data = nullptr;
  napi_typedarray_type type;
  if (napi_get_typedarray_info(info.Env(), info[at], &type, &v.length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array) {
    throw Napi::TypeError::New(info.Env(), "sha256 takes Uint8Arrays");
  }
  v.data = static_cast<std::uint8_t*>(data);
  return v;
}

std::size_t number(const Napi::CallbackInfo& info, std::size_t at) {
  if (!info[at].IsNumber()) throw Napi::TypeError::New(info.Env(), "sha256: not a number");
  return info[at].As<Napi::Number>().Uint32Value();
}

Napi::RangeError outside(Napi::Env env) { return Napi::RangeError::New(env, "sha256: a range outside of the array"); }

}  // namespace

void hashOf(const std::uint8_t* data, std::size_t length, std::uint8_t* out) {
  SHA256_CTX c;
  SHA256_Init(&c);
  SHA256_Update(&c, data, length);
  SHA256_Final(out, &c);
}

void hashLeaf(const std::uint8_t* data, std::size_t length, std::uint8_t* out) {
  const std::uint8_t leaf = 0;
  SHA256_CTX c;
  SHA256_Init(&c);
  SHA256_Update(&c, &leaf, 1);
  SHA256_Update(&c, data, length);
  SHA256_Final(out, &c);
}

void appendHexOf(const std::uint8_t* data, std::size_t length, std::string& out) {
  std::uint8_t digest[HASH_BYTES];
  hashOf(data, length, digest);
  for (const std::uint8_t b : digest) {
    out += "0123456789abcdef"[b >> 4];
    out += "0123456789abcdef"[b & 15];
  }
}

// sha256(input, out, at): writes SHA-256(input) to out at `at`.
Napi::Value sha256(const Napi::CallbackInfo& info) {
  const View in = view(info, 0);
  const View out = view(info, 1);
  const std::size_t at = number(info, 2);
  if (out.length < HASH_BYTES || at > out.length - HASH_BYTES) throw outside(info.Env());
  hashOf(in.data, in.length, out.data + at);
  return info.Env().Undefined();
}

}  // namespace attestd
