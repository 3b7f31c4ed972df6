// TPM structures as bytes and back (TSS 2.0 Marshaling API). Reading is exact: bytes left over are a fault.
#pragma once

#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>

#include <cstring>
#include <memory>
#include <span>

#include "js/bytes.h"
#include "tpm/fault.h"

namespace attestd {

template <class T>
using Marshal = TSS2_RC (*)(const T*, std::uint8_t*, std::size_t, std::size_t*);
template <class T>
using Unmarshal = TSS2_RC (*)(const std::uint8_t*, std::size_t, std::size_t*, T*);

// The bytes of `value`. Larger than any structure the TPM gives us (TPM2_MAX_COMMAND_SIZE is 4096).
template <class T>
Bytes toWire(const T& value, Marshal<T> marshal) {
  Bytes out(8192);
  std::size_t used = 0;
  check(marshal(&value, out.data(), out.size(), &used));
  out.resize(used);
  return out;
}

// Whether `in` is exactly one structure.
template <class T>
bool fromWire(std::span<const std::uint8_t> in, T& value, Unmarshal<T> unmarshal) {
  std::size_t used = 0;
  return unmarshal(in.data(), in.size(), &used, &value) == TSS2_RC_SUCCESS && used == in.size();
}

// The array of a TPM2B, whatever it is called.
template <class B>
auto& arrayOf(B& b) {
  if constexpr (requires { b.buffer; }) {
    return b.buffer;
  } else if constexpr (requires { b.name; }) {
    return b.name;
  } else if constexpr (requires { b.credential; }) {
    return b.credential;
  } else if constexpr (requires { b.secret; }) {
    return b.secret;
  } else {
    return b.attestationData;
  }
}

// What is in a TPM2B. A size beyond its array cannot happen; it is checked because the TPM gave it.
template <class B>
Bytes contents(const B& b) {
  auto& array = arrayOf(b);
  if (b.size > sizeof array) throw FaultException({"TPM_ERROR", nullptr, TSS2_MU_RC_BAD_SIZE, {}});
  return Bytes(array, array + b.size);
}

// An out parameter of ESYS, wiped and freed.
template <class T>
class Out {
 public:
  T** operator&() { return &value_; }
  const T& operator*() const { return *value_; }
  const T* operator->() const { return value_; }
  Out() = default;
  Out(const Out&) = delete;
  Out& operator=(const Out&) = delete;
  ~Out() {
    if (value_ == nullptr) return;
    explicit_bzero(value_, sizeof(T));
    Esys_Free(value_);
  }

 private:
  T* value_ = nullptr;
};

}  // namespace attestd
