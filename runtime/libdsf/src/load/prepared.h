// What kernels make of a model's weights, kept beside them.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace dsf {

// Weights in the form a kernel wants (packed panels, transposed copies ...), made once per model, shared by sessions. All
// of a model's together stay within a limit: a small file may hold weights that are large in these forms.
class Prepared {
public:
    // where: what the limit is for, as an error's subject.
    void limit(std::string where, uint64_t bytes) {
        where_ = std::move(where);
        limit_ = bytes;
    }

    // Returns the object stored under (weight, form), making it with `make` the first time. bytes: what it takes, refused
    // before it is made if that is too much. Thread-safe.
    template <class T, class Make>
    std::shared_ptr<const T> get(int weight, const std::string& form, int64_t bytes, Make make) {
        std::lock_guard<std::recursive_mutex> lock(mutex_);
        for (auto& entry : entries_)
            if (entry.weight == weight && entry.form == form) return std::static_pointer_cast<const T>(entry.object);
        charge(static_cast<uint64_t>(bytes));
        std::shared_ptr<const T> object = make();
        entries_.push_back({weight, form, object});
        bytes_ += static_cast<uint64_t>(bytes);
        return object;
    }

private:
    struct Entry {
        int weight;
        std::string form;
        std::shared_ptr<const void> object;
    };
    void charge(uint64_t bytes) const;  // refuses

    std::recursive_mutex mutex_;  // make may ask for another form
    std::vector<Entry> entries_;
    std::string where_;
    uint64_t limit_ = UINT64_MAX, bytes_ = 0;
};

}  // namespace dsf
