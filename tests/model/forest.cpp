// What find_fault refuses, and that a forest gives the same sums as nodes that are walked one by one.
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>
#include <random>

#include "model/forest.hpp"

using namespace troupe::model;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Feature 0 at most 1 ? (feature 1 at most 2 ? 10 : 20) : 30
forest_spec<float> small() {
  forest_spec<float> spec;
  spec.features = 2;
  spec.trees = {0};
  spec.nodes.resize(5);
  spec.nodes[0] = {split::at_most, false, missing_rule::nan, 0, 0, 1, 2, 1.0f};
  spec.nodes[1] = {split::at_most, true, missing_rule::nan, 1, 0, 3, 4, 2.0f};
  for (const std::uint32_t leaf : {2u, 3u, 4u}) {
    spec.nodes[leaf].first = static_cast<std::uint32_t>(spec.weights.size());
    spec.nodes[leaf].second = 1;
    spec.weights.push_back({0, leaf == 2 ? 30.0f : leaf == 3 ? 10.0f : 20.0f});
  }
  return spec;
}

template <class Damage> std::string fault_of(Damage damage) {
  forest_spec<float> spec = small();
  damage(spec);
  const auto fault = find_fault(spec);
  return fault ? std::to_string(fault->node) + " " + fault->what : "none";
}

// ---- random forests ----

template <class T> class random_forest {
public:
  random_forest(unsigned seed, std::size_t depth, bool every_kind)
      : random_(seed)
      , every_kind_(every_kind) {
    spec.features = 4;
    spec.targets = 1 + seed % 3;
    const std::size_t trees = 1 + random_() % 20;
    if (every_kind_) {
      spec.sets.push_back({{0b1011u, 1u}, T{0}});
      spec.sets.push_back({{}, std::nextafter(T{-1}, T{0})});
    }
    for (std::size_t t = 0; t < trees; ++t) {
      spec.trees.push_back(static_cast<std::uint32_t>(spec.nodes.size()));
      uniform_ = random_() % 4 != 0;
      grow(depth);
    }
  }

  forest_spec<T> spec;

  T value() {
    static constexpr double some[] = {0, -0.0, 1, 2, 3, 64, -1, -0.5, 1e-36, 0.25, 7, infinity, -infinity};
    return static_cast<T>(some[random_() % std::size(some)]);
  }
  T cell() { return random_() % 5 == 0 ? std::numeric_limits<T>::quiet_NaN() : value(); }

private:
  std::uint32_t grow(std::size_t depth) {
    const auto at = static_cast<std::uint32_t>(spec.nodes.size());
    spec.nodes.emplace_back();
    if (depth == 0 || random_() % 6 == 0) {
      tree_node<T>& leaf = spec.nodes[at];
      leaf.first = static_cast<std::uint32_t>(spec.weights.size());
      leaf.second = uniform_ ? 1 : random_() % 3;
      for (std::uint32_t k = 0; k < leaf.second; ++k)
        spec.weights.push_back({static_cast<std::uint32_t>(k % spec.targets), static_cast<T>(random_() % 64) / 4});
      return at;
    }
    const std::uint32_t first = grow(depth - 1);
    const std::uint32_t second = grow(depth - 1);
    tree_node<T>& node = spec.nodes[at];
    node.how = every_kind_ ? static_cast<split>(1 + random_() % 4) : split::at_most;
    node.missing_first = random_() % 2 == 0;
    node.missing = every_kind_ ? static_cast<missing_rule>(random_() % 3) : missing_rule::nan;
    if (node.how == split::equals) node.missing = missing_rule::nan;
    node.feature = static_cast<std::uint32_t>(random_() % spec.features);
    node.set = static_cast<std::uint32_t>(random_() % 2);
    node.value = value();
    node.first = first;
    node.second = second;
    return at;
  }

  std::mt19937 random_;
  bool every_kind_;
  bool uniform_ = true;
};

template <class T> bool holds(const forest_spec<T>& spec, const tree_node<T>& node, T x) {
  if (node.missing == missing_rule::nan_is_zero && std::isnan(x)) x = 0;
  const bool missing = std::isnan(x) || (node.missing == missing_rule::zero && std::abs(x) <= static_cast<T>(1e-35));
  if (missing) return node.missing_first;
  if (node.how == split::at_most) return x <= node.value;
  if (node.how == split::below) return x < node.value;
  if (node.how == split::equals) return x == node.value;
  const category_set<T>& set = spec.sets[node.set];
  if (x < set.least || x >= static_cast<T>(64 * set.bits.size())) return false;
  const auto category = static_cast<std::size_t>(x);
  return category / 64 < set.bits.size() && (set.bits[category / 64] >> (category % 64) & 1) != 0;
}

template <class T> std::vector<T> sums_of(const forest_spec<T>& spec, const T* row) {
  std::vector<T> sums(spec.targets, 0);
  for (const std::uint32_t root : spec.roots) {
    std::uint32_t at = root;
    while (!spec.nodes[at].is_leaf()) {
      const tree_node<T>& node = spec.nodes[at];
      at = holds(spec, node, row[node.feature]) ? node.first : node.second;
    }
    for (std::uint32_t k = 0; k < spec.nodes[at].second; ++k) {
      const leaf_weight<T>& weight = spec.weights[spec.nodes[at].first + k];
      sums[weight.target] += weight.value;
    }
  }
  return sums;
}

template <class T> void check_random(unsigned seed, std::size_t depth, bool every_kind, std::size_t rows) {
  random_forest<T> made{seed, depth, every_kind};
  BOOST_REQUIRE(!find_fault(made.spec));
  const forest<T> trees{made.spec};
  std::vector<T> cells;
  for (std::size_t i = 0; i < rows * made.spec.features; ++i) cells.push_back(made.cell());
  std::vector<T> sums(rows * made.spec.targets, 0);
  const cells_in in{reinterpret_cast<const std::byte*>(cells.data()), element_of<T>(), rows, made.spec.features,
                    made.spec.features};
  trees.run(in, sums.data(), nullptr);
  for (std::size_t i = 0; i < rows; ++i) {
    const std::vector<T> expected = sums_of(made.spec, cells.data() + i * made.spec.features);
    for (std::size_t k = 0; k < expected.size(); ++k)
      BOOST_REQUIRE_MESSAGE(sums[i * expected.size() + k] == expected[k], "seed " << seed << ", row " << i << ": "
                                                                                  << sums[i * expected.size() + k]
                                                                                  << " instead of " << expected[k]);
  }
}

} // namespace

BOOST_AUTO_TEST_SUITE(forest)

BOOST_AUTO_TEST_CASE(find_fault__sound__none) {
  BOOST_TEST(fault_of([](auto&) {}) == "none");
  BOOST_TEST(fault_of([](auto& s) { s.nodes[0].value = std::numeric_limits<float>::infinity(); }) == "none");
}

BOOST_AUTO_TEST_CASE(find_fault__no_tree__named) {
  BOOST_TEST(fault_of([](auto& s) { s.nodes[0].second = 5; }) == "0 is not a node of its tree");
  BOOST_TEST(fault_of([](auto& s) { s.nodes[1].first = 1; }) == "1 is the node itself");
  BOOST_TEST(fault_of([](auto& s) { s.nodes[1].first = 2; }) == "1 is the child of another node, too");
  BOOST_TEST(fault_of([](auto& s) { s.nodes[1].second = 0; }) == "0 is in a loop: its root does not lead to it");
  BOOST_TEST(fault_of([](auto& s) { s.nodes.emplace_back(); }) ==
             "5 is a second root of its tree: no node leads to it");
  // A loop beside the tree: 5 and 6 lead to each other.
  BOOST_TEST(fault_of([](auto& s) {
               for (const std::uint32_t i : {5u, 6u}) {
                 s.nodes.push_back(s.nodes[0]);
                 s.nodes[i].first = 11 - i;
                 s.nodes[i].second = i + 2;
               }
               s.nodes.push_back(s.nodes[2]);
               s.nodes.push_back(s.nodes[2]);
             }) == "5 is in a loop: its root does not lead to it");
}

BOOST_AUTO_TEST_CASE(find_fault__numbers__checked) {
  BOOST_TEST(fault_of([](auto& s) { s.nodes[1].feature = 2; }) == "1 tests the feature 2, expected 0 to 1");
  BOOST_TEST(fault_of([](auto& s) { s.nodes[1].value = std::nanf(""); }) == "1 compares with NaN");
  BOOST_TEST(fault_of([](auto& s) { s.nodes[1].how = split::member; }) == "1 has no set of categories");
  BOOST_TEST(fault_of([](auto& s) { s.weights[0].target = 1; }) == "2 has a weight for the target 1, expected 0 to 0");
  BOOST_TEST(fault_of([](auto& s) { s.nodes[4].second = 2; }) == "4 has weights that are not there");
}

BOOST_AUTO_TEST_CASE(find_fault__chain__depth_bounded) {
  forest_spec<float> spec;
  spec.features = 1;
  spec.trees = {0};
  const std::uint32_t levels = tree_depth_max + 1;
  for (std::uint32_t i = 0; i < levels; ++i) {
    spec.nodes.push_back({split::at_most, false, missing_rule::nan, 0, 0, 2 * i + 1, 2 * i + 2, 0.0f});
    spec.nodes.emplace_back();
  }
  spec.nodes.emplace_back();
  // Node 2i is a split with the leaf 2i + 1.
  BOOST_REQUIRE(find_fault(spec));
  BOOST_TEST(find_fault(spec)->what.find("deeper") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(run__random_forests__as_walked) {
  for (unsigned seed = 0; seed < 60; ++seed)
    for (const std::size_t rows : {1u, 3u, 9u, 33u, 150u}) {
      const std::size_t depth = seed % 10;
      check_random<float>(seed, depth, seed % 2 == 0, rows);
      check_random<double>(seed, depth, seed % 2 == 0, rows);
    }
}

BOOST_AUTO_TEST_CASE(run__more_thresholds_than_a_byte_holds__as_walked) {
  // A chain of 100 trees on one feature with 700 thresholds.
  forest_spec<float> spec;
  spec.features = 1;
  for (std::uint32_t t = 0; t < 100; ++t) {
    const auto begin = static_cast<std::uint32_t>(spec.nodes.size());
    spec.trees.push_back(begin);
    for (std::uint32_t i = 0; i < 7; ++i)
      spec.nodes.push_back({split::at_most, i % 2 == 0, missing_rule::nan, 0, 0, begin + 2 * i + 1, begin + 2 * i + 2,
                            static_cast<float>((t * 7 + i * 331) % 700)});
    for (std::uint32_t i = 0; i < 8; ++i) {
      spec.nodes.emplace_back();
      spec.nodes.back().first = static_cast<std::uint32_t>(spec.weights.size());
      spec.nodes.back().second = 1;
      spec.weights.push_back({0, static_cast<float>(1u << i)});
    }
  }
  BOOST_REQUIRE(!find_fault(spec));
  const troupe::model::forest<float> trees{spec};
  std::vector<float> cells;
  for (int i = -2; i < 702; ++i) cells.push_back(static_cast<float>(i));
  cells.push_back(std::nanf(""));
  std::vector<float> sums(cells.size(), 0);
  trees.run({reinterpret_cast<const std::byte*>(cells.data()), element::f32, cells.size(), 1, 1}, sums.data(), nullptr);
  for (std::size_t i = 0; i < cells.size(); ++i) BOOST_TEST(sums[i] == sums_of(spec, &cells[i])[0]);
}

BOOST_AUTO_TEST_SUITE_END()
