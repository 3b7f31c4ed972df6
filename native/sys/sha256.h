// SHA-256 of bytes that no JavaScript holds, for any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace attestd {

inline constexpr std::size_t HASH_BYTES = 32;

// SHA-256 of `data`, to 32 bytes at `out`.
void hashOf(const std::uint8_t* data, std::size_t length, std::uint8_t* out);

// RFC 6962 leaf hash of an entry, to 32 bytes at `out`.
void hashLeaf(const std::uint8_t* data, std::size_t length, std::uint8_t* out);

// SHA-256 of `data` in lower-case hexadecimal, behind what is there.
void appendHexOf(const std::uint8_t* data, std::size_t length, std::string& out);

}  // namespace attestd
