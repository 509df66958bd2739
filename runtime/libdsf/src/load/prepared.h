// What kernels make of a model's weights, kept beside them.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <typeindex>
#include <utility>
#include <vector>

namespace dsf {

// How an object lays its weight out, and what numbers tell two of them apart.
enum class Packing : uint8_t {
    values,             // decoded, in C order
    code_rows,          // packed codes. Numbers: how many a row has
    taps,               // [taps][channels]. With an order of the taps
    winograd,           // 3x3 filters as winograd_f32 reads them
    panels_of_filters,  // Numbers: filters of a group, numbers of a filter. With an order
    panels_of_phases,   // Numbers: groups, phases of y, the taps of all phases of y and of x. With an order of the taps
    panels_of_columns,  // Numbers: matrices, the strides of a row and of a column
};

// What an object is made for.
struct PreparedKey {
    int weight;  // index into Model::weights
    Packing packing;
    const void* kernel;            // the table of functions whose layout it is (kernels/isa.h); null: nobody's own
    std::vector<int64_t> numbers;  // as Packing lists them
    std::vector<int32_t> order;    // which number, or tap, of a filter each packed one is

    bool operator==(const PreparedKey& other) const {
        return weight == other.weight && packing == other.packing && kernel == other.kernel &&
               numbers == other.numbers && order == other.order;
    }
};

// Weights in the form a kernel wants (packed panels, transposed copies ...), made once per model, shared by sessions. All
// of a model's together stay within a limit: a small file may hold weights that are large in these forms.
class Prepared {
public:
    // where: what the limit is for, as an error's subject.
    void limit(std::string where, uint64_t bytes) {
        where_ = std::move(where);
        limit_ = bytes;
    }

    // Returns the T stored under the key, making it with `make` the first time. bytes: what it takes. These, and those of
    // the key's order, are refused before it is made if they are too much. Thread-safe.
    template <class T, class Make> std::shared_ptr<const T> get(PreparedKey key, int64_t bytes, Make make) {
        std::lock_guard<std::recursive_mutex> lock(mutex_);
        for (auto& entry : entries_)
            if (entry.type == typeid(T) && entry.key == key) return std::static_pointer_cast<const T>(entry.object);
        const uint64_t all_bytes = static_cast<uint64_t>(bytes) + key.order.size() * sizeof key.order[0];
        charge(all_bytes);
        std::shared_ptr<const T> object = make();
        entries_.push_back({typeid(T), std::move(key), object});
        bytes_ += all_bytes;
        return object;
    }

private:
    struct Entry {
        std::type_index type;  // of the object
        PreparedKey key;
        std::shared_ptr<const void> object;
    };
    void charge(uint64_t bytes) const;  // refuses

    std::recursive_mutex mutex_;  // make may ask for another form
    std::vector<Entry> entries_;
    std::string where_;
    uint64_t limit_ = UINT64_MAX, bytes_ = 0;
};

}  // namespace dsf
