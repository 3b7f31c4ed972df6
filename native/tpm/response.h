// Whether a response is whole. tpm2-tss before 4.1.4 reads what is missing from whatever its buffer held before: a
// cut GetRandom came back as zeroes. So every response is walked along its structure (TPM 2.0 Part 3) before the
// library sees it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace attestd {

// `code`: the command it answers. A response with an error code is a header and nothing else.
bool wholeResponse(std::uint32_t code, std::span<const std::uint8_t> response);

// The handle in a response that may be broken behind it, where the command makes one and succeeded.
std::optional<std::uint32_t> madeHandle(std::uint32_t code, std::span<const std::uint8_t> response);

}  // namespace attestd
