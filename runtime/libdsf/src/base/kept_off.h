// kept_off: one processor is taken from those a sleeping thread may use; the thread takes it back when it wakes
#pragma once

#include <atomic>
#include <pthread.h>
#include <sched.h>

namespace dsf {

class KeptOff {
public:
    // Called while `thread` sleeps. Nothing is taken from a thread that may use no other, or is kept off one already.
    void take(pthread_t thread, int processor);

    // Called by the thread that was kept off. If somebody else has said meanwhile which processors it may use, that stays:
    // kernels have no call that changes them only if they are still the same, so what is said at this very moment is lost.
    void take_back();

private:
    std::atomic<bool> taken_{false};
    cpu_set_t allowed_, others_;
};

}  // namespace dsf
