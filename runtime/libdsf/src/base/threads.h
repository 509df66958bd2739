// A session's threads. parallel(n, f) calls f(i) for every i in [0, n), in any order, and returns when all are done.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace dsf {

class Threads {
public:
    explicit Threads(int count);  // the calling thread is one of them; count 1 starts none
    ~Threads();
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;

    int count() const { return count_; }
    static int number();  // of the thread that asks: a caller is 0, workers are 1 to count - 1

    // cancel() may be called by any thread, and by a signal handler. Loops then leave out the tasks that have not begun and
    // long tasks end early, until allow(): what they were to write is not whole.
    void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
    void allow() { cancelled_.store(false, std::memory_order_relaxed); }
    bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

    // f is called as f(int64_t task); it must not throw. Tasks are handed out dynamically, in increasing order.
    template <class F> void parallel(int64_t tasks, F&& f) {
        run(
            tasks, [](void* context, int64_t task) { (*static_cast<std::remove_reference_t<F>*>(context))(task); },
            const_cast<void*>(static_cast<const void*>(&f)));
    }

private:
    using Call = void (*)(void* context, int64_t task);
    void run(int64_t tasks, Call call, void* context);

    struct State;
    int count_;
    std::atomic<bool> cancelled_{false};
    static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may set it");
    std::unique_ptr<State> state_;
};

}  // namespace dsf
