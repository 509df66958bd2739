// threads: workers that wait for the next loop, first spinning, then asleep
//
// ticket holds the number of the loop (high half) and the next task of it (low half). A thread takes a task by raising
// the low half with a compare-and-swap, which fails once a new loop has begun: a worker that wakes late does no harm.
// The caller works too, so a loop ends even if no worker ever wakes.
//
// A worker that is woken may be put on the caller's own processor: some schedulers pack what runs for a millisecond. It
// would then start when the caller is done, which is why the caller first takes its processor from the sleeper's set.
#include "threads.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <pthread.h>
#include <sched.h>
#include <system_error>
#include <thread>

#include "error.h"
#include "kept_off.h"

namespace dsf {
namespace {

constexpr uint64_t TASK_MASK = 0xFFFFFFFF;
constexpr int64_t MOST_TASKS = 0x7FFFFFFF;  // of one loop
constexpr uint64_t CLOSED = TASK_MASK;      // in the low half: the next loop is being set up

// Measured by tools/bench/tune.py loops.
constexpr int WORKER_SPINS = 4000;  // about as long as the gap between two layers
constexpr int CALLER_SPINS = 2000;  // before it gives its processor to a worker that may need it

void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Counts forks: in a child the workers are gone.
std::atomic<unsigned> forks{0};

thread_local int thread_number = 0;

void count_forks() {
    static const int registered = ::pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1); });
    static_cast<void>(registered);
}

}  // namespace

struct Threads::State {
    struct Worker {
        std::thread thread;
        std::atomic<bool> sleeps{false};
        KeptOff processor;
    };

    std::atomic<uint64_t> ticket{CLOSED};
    std::atomic<Call> call{nullptr};
    std::atomic<void*> context{nullptr};
    std::atomic<uint64_t> tasks{0};
    std::atomic<uint64_t> done{0};
    std::atomic<int> sleepers{0};
    std::atomic<bool> stop{false};
    std::mutex mutex;
    std::condition_variable wake;
    std::unique_ptr<Worker[]> workers;
    int worker_count = 0;
    unsigned forks_before = 0;

    // Works on the open loop until it has no task left; returns the number of a loop that needs no more work.
    uint64_t work() {
        uint64_t seen = ticket.load(std::memory_order_acquire);
        for (;;) {
            // Read before the swap; if the swap succeeds, they belong to the loop whose task it took.
            Call f = call.load(std::memory_order_acquire);
            void* argument = context.load(std::memory_order_acquire);
            uint64_t count = tasks.load(std::memory_order_acquire);
            uint64_t task = seen & TASK_MASK;
            if (task == CLOSED) return (seen >> 32) - 1;
            if (task >= count) return seen >> 32;
            if (!ticket.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel)) continue;
            f(argument, static_cast<int64_t>(task));
            done.fetch_add(1, std::memory_order_release);
            seen = ticket.load(std::memory_order_acquire);
        }
    }

    // There is a loop other than `last`, or the end.
    bool news(uint64_t last) const {
        uint64_t now = ticket.load();
        return (now >> 32 != last && (now & TASK_MASK) != CLOSED) || stop.load();
    }

    void wait(Worker& self, uint64_t last) {
        for (int spin = 0; spin < WORKER_SPINS; ++spin) {
            if (news(last)) return;
            pause();
        }
        std::unique_lock<std::mutex> lock(mutex);
        sleepers.fetch_add(1);
        self.sleeps.store(true);
        wake.wait(lock, [&] { return news(last); });
        self.sleeps.store(false);
        sleepers.fetch_sub(1);
    }

    void worker(int number) {
        thread_number = number;
        Worker& self = workers[static_cast<size_t>(number - 1)];
        uint64_t last = 0;
        while (!stop.load()) {
            wait(self, last);
            self.processor.take_back();
            last = work();
        }
    }

    void rouse() {
        if (sleepers.load() == 0) return;
        // A worker that is about to sleep holds the mutex from its last look at the ticket until it sleeps.
        {
            std::lock_guard<std::mutex> lock(mutex);
            keep_off(::sched_getcpu());
        }
        wake.notify_all();
    }

    // Sleepers will wake on another processor than this one, if they may use another. The mutex keeps them asleep.
    void keep_off(int processor) {
        for (int i = 0; i < worker_count; ++i) {
            Worker& worker = workers[static_cast<size_t>(i)];
            if (worker.sleeps.load()) worker.processor.take(worker.thread.native_handle(), processor);
        }
    }

    // If one cannot be started, whatever the reason, those before it end: a thread that is not joined ends the process.
    void start(int count) {
        workers = std::make_unique<Worker[]>(static_cast<size_t>(count));
        try {
            while (worker_count < count) {
                Worker& worker = workers[static_cast<size_t>(worker_count)];
                worker.thread = std::thread([this, number = worker_count + 1] { this->worker(number); });
                ++worker_count;
            }
        } catch (...) {
            end();
            throw;
        }
    }

    void end() {
        stop.store(true);
        rouse();
        for (int i = 0; i < worker_count; ++i) workers[static_cast<size_t>(i)].thread.join();
        worker_count = 0;
    }
};

Threads::Threads(int count) : count_(count) {
    if (count <= 1) return;
    count_forks();
    state_ = std::make_unique<State>();
    state_->forks_before = forks.load();
    try {
        state_->start(count - 1);
    } catch (const std::system_error&) {
        backend_error("session", "this machine cannot start " + std::to_string(count) + " threads",
                      "room for that many", "ask for fewer threads");
    }
}

Threads::~Threads() {
    if (!state_) return;
    // After a fork there is nobody to join, and the mutex may be held by a thread that no longer exists.
    if (state_->forks_before != forks.load()) static_cast<void>(state_.release());
    else state_->end();
}

int Threads::number() { return thread_number; }

void Threads::run(int64_t tasks, Call call, void* context) {
    if (!state_ || tasks <= 1 || tasks > MOST_TASKS || state_->forks_before != forks.load()) {
        for (int64_t task = 0; task < tasks; ++task) call(context, task);
        return;
    }
    State& state = *state_;
    uint64_t next = ((state.ticket.load() >> 32) + 1) << 32;
    state.ticket.store(next | CLOSED);
    state.call.store(call, std::memory_order_release);
    state.context.store(context, std::memory_order_release);
    state.tasks.store(static_cast<uint64_t>(tasks), std::memory_order_release);
    state.done.store(0, std::memory_order_relaxed);
    state.ticket.store(next);
    state.rouse();
    state.work();
    for (int spin = 0; state.done.load(std::memory_order_acquire) != static_cast<uint64_t>(tasks); ++spin) {
        if (spin < CALLER_SPINS) pause();
        else std::this_thread::yield();
    }
}

}  // namespace dsf
