// Known answers of Philox 4x32-10, from the test vectors that Random123 publishes (kat_vectors).
#include <gtest/gtest.h>

#include "core/philox.h"

namespace {

void expect_words(uint64_t key, uint64_t low, uint64_t high, std::initializer_list<uint32_t> expected)
{
    uint32_t word[4];
    hy_philox(key, low, high, word);
    for (int i = 0; i < 4; i++) EXPECT_EQ(word[i], expected.begin()[i]) << "word " << i;
}

} // namespace

TEST(Philox, KnownAnswers)
{
    expect_words(0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    expect_words(~0ull, ~0ull, ~0ull, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    // Digits of pi: counter words 243f6a88 85a308d3 13198a2e 03707344, key words a4093822 299f31d0, the lowest first.
    expect_words(0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST(Philox, UnitsStayBelowOne)
{
    EXPECT_EQ(hy_unit32(0), 0.0f);
    EXPECT_EQ(hy_unit32(~0u), 1 - 0x1p-24f);
    EXPECT_EQ(hy_unit64(0, 0), 0.0);
    EXPECT_EQ(hy_unit64(~0u, ~0u), 1 - 0x1p-53);
}

TEST(Philox, BelowIsTheHighHalfOfTheProduct)
{
    uint32_t word[4];
    for (uint64_t i = 0; i < 1000; i++) {
        hy_philox(7, i, 0, word);
        uint64_t bits = (uint64_t)word[0] << 32 | word[1], range = ((uint64_t)word[2] << 32 | word[3]) >> (i % 64);
        EXPECT_EQ(hy_below(word[0], word[1], range), (uint64_t)((unsigned __int128)bits * range >> 64));
    }
    EXPECT_EQ(hy_below(~0u, ~0u, 1), 0u);
    EXPECT_EQ(hy_below(~0u, ~0u, ~0ull), ~0ull - 1);
}
