// Byte strings that are wiped when freed: any of them may hold an auth value, a credential or an unsealed secret.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

namespace attestd {

template <class T>
struct WipingAllocator : std::allocator<T> {
  template <class U>
  struct rebind {
    using other = WipingAllocator<U>;
  };
  void deallocate(T* p, std::size_t n) {
    explicit_bzero(p, n * sizeof(T));
    std::allocator<T>::deallocate(p, n);
  }
};

using Bytes = std::vector<std::uint8_t, WipingAllocator<std::uint8_t>>;

// A plain structure that is wiped when it goes.
template <class T>
struct Wiped : T {
  Wiped() : T{} {}
  explicit Wiped(const T& t) : T(t) {}
  Wiped(const Wiped&) = default;
  Wiped& operator=(const Wiped&) = default;
  ~Wiped() { explicit_bzero(static_cast<T*>(this), sizeof(T)); }
};

}  // namespace attestd
