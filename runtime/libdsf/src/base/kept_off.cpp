// kept_off: see the header
#include "kept_off.h"

namespace dsf {

void KeptOff::take(pthread_t thread, int processor) {
    if (processor < 0 || taken_.load() || ::pthread_getaffinity_np(thread, sizeof allowed_, &allowed_) != 0) return;
    others_ = allowed_;
    CPU_CLR(static_cast<size_t>(processor), &others_);
    if (CPU_COUNT(&others_) == 0 || CPU_EQUAL(&others_, &allowed_)) return;
    taken_.store(true);
    ::pthread_setaffinity_np(thread, sizeof others_, &others_);
}

void KeptOff::take_back() {
    if (!taken_.load()) return;
    cpu_set_t now;
    const pthread_t self = ::pthread_self();
    if (::pthread_getaffinity_np(self, sizeof now, &now) == 0 && CPU_EQUAL(&now, &others_))
        ::pthread_setaffinity_np(self, sizeof allowed_, &allowed_);
    taken_.store(false);
}

}  // namespace dsf
