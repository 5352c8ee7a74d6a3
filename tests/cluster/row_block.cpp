// What comes from the network is checked before anything of it is believed.
#include "cluster/row_block.hpp"

#include <random>

#include <boost/test/unit_test.hpp>

using namespace troupe;

BOOST_AUTO_TEST_SUITE(row_block)

namespace {

troupe::row_block some_rows() { return {{'a', 'b', 'c', 'd', 'e', 'f'}, {2, 2, 5, 6}}; }

model::outcome_block some_outcomes() {
  model::outcome_block block;
  block.bytes = {'x', 'y', '\0', 'z'};
  block.ends = {1, 4};
  block.codes = {0, static_cast<char>(model::rejection::missing_feature)};
  return block;
}

} // namespace

BOOST_AUTO_TEST_CASE(pack__rows__come_back) {
  for (auto block : {some_rows(), troupe::row_block{}, troupe::row_block{{}, {0, 0}}}) {
    troupe::row_block back{{'?'}, {7}};
    BOOST_REQUIRE(unpack(pack(block), back));
    BOOST_CHECK(back.bytes == block.bytes);
    BOOST_CHECK(back.ends == block.ends);
  }
}

BOOST_AUTO_TEST_CASE(pack__outcomes__come_back) {
  auto block = some_outcomes();
  model::outcome_block back;
  BOOST_REQUIRE(unpack(pack(block), back));
  BOOST_CHECK(back.bytes == block.bytes);
  BOOST_CHECK(back.ends == block.ends);
  BOOST_CHECK(back.codes == block.codes);
}

BOOST_AUTO_TEST_CASE(unpack__other_kind__refused) {
  model::outcome_block outcomes;
  troupe::row_block rows;
  BOOST_CHECK(!unpack(pack(some_rows()), outcomes));
  BOOST_CHECK(!unpack(pack(some_outcomes()), rows));
}

BOOST_AUTO_TEST_CASE(unpack__truncated_at_every_byte_or_longer__refused) {
  auto whole = pack(some_rows());
  auto answers = pack(some_outcomes());
  troupe::row_block rows;
  model::outcome_block outcomes;
  for (std::size_t size = 0; size < whole.size(); ++size)
    BOOST_CHECK(!unpack(std::vector<char>(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)), rows));
  for (std::size_t size = 0; size < answers.size(); ++size)
    BOOST_CHECK(
        !unpack(std::vector<char>(answers.begin(), answers.begin() + static_cast<std::ptrdiff_t>(size)), outcomes));
  whole.push_back('x');
  BOOST_CHECK(!unpack(whole, rows));
}

BOOST_AUTO_TEST_CASE(unpack__any_bit_flipped__refused) {
  auto whole = pack(some_rows());
  auto answers = pack(some_outcomes());
  troupe::row_block rows;
  model::outcome_block outcomes;
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    auto damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    BOOST_CHECK(!unpack(damaged, rows));
  }
  for (std::size_t bit = 0; bit < answers.size() * 8; ++bit) {
    auto damaged = answers;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    BOOST_CHECK(!unpack(damaged, outcomes));
  }
}

// A peer that lies has a good checksum: what it says is checked nevertheless.
BOOST_AUTO_TEST_CASE(unpack__nonsense_with_a_good_checksum__refused) {
  troupe::row_block rows;
  BOOST_CHECK(!unpack(pack(troupe::row_block{{'a', 'b', 'c'}, {2, 1, 3}}), rows));
  BOOST_CHECK(!unpack(pack(troupe::row_block{{'a', 'b', 'c'}, {1, 2}}), rows));
  BOOST_CHECK(!unpack(pack(troupe::row_block{{'a', 'b', 'c'}, {1, 4}}), rows));
  BOOST_CHECK(!unpack(pack(troupe::row_block{{'a', 'b', 'c'}, {}}), rows));
  auto outcomes = some_outcomes();
  outcomes.codes[1] = static_cast<char>(model::rejection_count);
  BOOST_CHECK(!unpack(pack(outcomes), outcomes));
}

BOOST_AUTO_TEST_CASE(unpack__noise__refused) {
  std::mt19937 random{7};
  troupe::row_block rows;
  model::outcome_block outcomes;
  for (int i = 0; i < 20'000; ++i) {
    auto noise = pack(some_rows());
    noise.resize(random() % 64);
    for (auto n = random() % 40; n > 0 && !noise.empty(); --n)
      noise[random() % noise.size()] = static_cast<char>(random());
    if (noise == pack(some_rows())) continue;
    BOOST_REQUIRE(!unpack(noise, rows) && !unpack(noise, outcomes));
  }
}

BOOST_AUTO_TEST_SUITE_END()
