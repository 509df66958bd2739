// Memory for files, weights and activations: 64-byte aligned, refused with a sentence when there is none.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace dsf {

// where: what the memory is for, as an error's subject.
std::shared_ptr<uint8_t> allocate(uint64_t bytes, const std::string& where);

// 64-byte aligned floats that nobody has written yet.
class Floats {
public:
    explicit Floats(int64_t count);
    float* data() { return reinterpret_cast<float*>(data_.get()); }
    const float* data() const { return reinterpret_cast<const float*>(data_.get()); }

private:
    std::shared_ptr<uint8_t> data_;
};

inline int64_t floats_bytes(int64_t count) { return count * int64_t{sizeof(float)}; }

}  // namespace dsf
