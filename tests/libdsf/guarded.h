// Guarded<T>: an array with an unreadable page right before it, or right after it: one byte outside ends the program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

#include "expect.h"

enum class Guard { before, after };

template <class T> class Guarded {
public:
    Guarded(size_t count, Guard where) : count_(count) {
        const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), bytes = count * sizeof(T);
        length_ = (bytes + page - 1) / page * page + 2 * page;
        void* memory = mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        EXPECT(memory != MAP_FAILED);
        memory_ = static_cast<uint8_t*>(memory);
        EXPECT(mprotect(memory_, page, PROT_NONE) == 0 && mprotect(memory_ + length_ - page, page, PROT_NONE) == 0);
        data_ = reinterpret_cast<T*>(where == Guard::before ? memory_ + page : memory_ + length_ - page - bytes);
    }
    ~Guarded() { munmap(memory_, length_); }
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;

    T* data() { return data_; }
    size_t size() const { return count_; }
    T& operator[](size_t i) { return data_[i]; }

private:
    size_t count_, length_;
    uint8_t* memory_;
    T* data_;
};
