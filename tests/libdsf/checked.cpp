// checked: sums and products at the edge of 64 bits
#include "base/checked.h"

#include "expect.h"

int main() {
    uint64_t result = 0;
    EXPECT(dsf::checked_add(UINT64_MAX - 1, 1, &result) && result == UINT64_MAX);
    EXPECT(!dsf::checked_add(UINT64_MAX, 1, &result));
    EXPECT(!dsf::checked_add(1ull << 63, 1ull << 63, &result));
    EXPECT(dsf::checked_mul(1ull << 32, (1ull << 32) - 1, &result) && result == UINT64_MAX - UINT32_MAX);
    EXPECT(!dsf::checked_mul(1ull << 32, 1ull << 32, &result));
    EXPECT(dsf::checked_mul(0, UINT64_MAX, &result) && result == 0);
    EXPECT(dsf::checked_round_up(0, &result) && result == 0);
    EXPECT(dsf::checked_round_up(1, &result) && result == 64);
    EXPECT(dsf::checked_round_up(64, &result) && result == 64);
    EXPECT(dsf::checked_round_up(UINT64_MAX - 63, &result) && result == UINT64_MAX - 63);
    EXPECT(!dsf::checked_round_up(UINT64_MAX - 62, &result));
}
