// Memory for files, weights and activations: 64-byte aligned, refused with a sentence when there is none.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace dsf {

// where: what the memory is for, as an error's subject.
std::shared_ptr<uint8_t> allocate(uint64_t bytes, const std::string& where);

}  // namespace dsf
