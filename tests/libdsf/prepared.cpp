// prepared: what is one object and what are two
#include "load/prepared.h"

#include "base/error.h"
#include "expect.h"

using dsf::Packing;
using dsf::PreparedKey;

// After seven objects of 100 bytes, whose orders have four numbers each, 300 bytes are left.
constexpr uint64_t LIMIT = 7 * (100 + 4 * sizeof(int32_t)) + 300;

int main() {
    dsf::Prepared prepared;
    prepared.limit("model.dsf", LIMIT);
    const char kernel = 0, other = 0;
    int made = 0;
    auto number = [&] { return std::make_shared<int>(++made); };
    const PreparedKey key{0, Packing::panels_of_filters, &kernel, {64, 9}, {0, 2, 1, 3}};
    const std::shared_ptr<const int> first = prepared.get<int>(key, 100, number);
    EXPECT(prepared.get<int>(key, 100, number) == first && made == 1);

    const PreparedKey others[] = {
        {1, key.packing, key.kernel, key.numbers, key.order},
        {0, Packing::panels_of_columns, key.kernel, key.numbers, key.order},
        {0, key.packing, &other, key.numbers, key.order},
        {0, key.packing, key.kernel, {64, 8}, key.order},
        {0, key.packing, key.kernel, key.numbers, {0, 3, 1, 2}},
    };
    for (const PreparedKey& differs : others) EXPECT(*prepared.get<int>(differs, 100, number) == made);
    EXPECT(made == 6);
    // The same key for an object of another type: it is not taken for the int.
    EXPECT(*prepared.get<double>(key, 100, [] { return std::make_shared<double>(0.5); }) == 0.5);

    bool refused = false;
    try {
        prepared.get<int>({2, Packing::values, nullptr, {}, {}}, 301, number);
    } catch (const dsf::Error&) {
        refused = true;
    }
    EXPECT(refused && made == 6);
    prepared.get<int>({2, Packing::values, nullptr, {}, {}}, 300, number);
    EXPECT(made == 7);
}
