// SHA-256 of bytes that no JavaScript holds, for any thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace attestd {

inline constexpr std::size_t HASH_BYTES = 32;

// SHA-256 of `data`, to 32 bytes at `out`.
void hashOf(const std::uint8_t* data, std::size_t length, std::uint8_t* out);

// RFC 6962 leaf hashes of `count` entries (u16 length, then bytes, each) from `from` on, to `out`, 32 bytes each.
// False where an entry ends outside of the data.
bool hashLeaves(const std::uint8_t* data, std::size_t length, std::size_t from, std::size_t count, std::uint8_t* out);

}  // namespace attestd
