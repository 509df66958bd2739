// Aligned memory; large pieces in huge pages where the system has them, which saves most of the page faults.
#include "memory.h"

#include <algorithm>
#include <cstdlib>
#include <sys/mman.h>

#include "error.h"
#include "round.h"

namespace dsf {

std::shared_ptr<uint8_t> allocate(uint64_t bytes, const std::string& where) {
    constexpr size_t HUGE_PAGE = size_t{2} << 20;
    size_t alignment = bytes >= 2 * HUGE_PAGE ? HUGE_PAGE : 64;
    void* memory = nullptr;
    if (bytes > SIZE_MAX - HUGE_PAGE ||
        ::posix_memalign(&memory, alignment, bytes == 0 ? 64 : static_cast<size_t>(bytes)) != 0)
        backend_error(where, "no memory for " + std::to_string(bytes) + " bytes", "that much free memory",
                      "end other programs, run smaller batches, or ask for memory low");
    if (alignment == HUGE_PAGE) ::madvise(memory, static_cast<size_t>(bytes), MADV_HUGEPAGE);  // only a hint
    return std::shared_ptr<uint8_t>(static_cast<uint8_t*>(memory), std::free);
}

Floats::Floats(int64_t count)
    : data_(allocate(static_cast<uint64_t>(round_up(std::max<int64_t>(count, 1), 16)) * sizeof(float), "weights")) {}

}  // namespace dsf
