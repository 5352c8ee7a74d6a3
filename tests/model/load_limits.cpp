// What a file may ask for: many nodes are no harm, and what a small file blows up is refused before it is there.
#include <boost/test/unit_test.hpp>

#include <string>

#include "model/evaluator.hpp"
#include "model/loaded_model.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace troupe;
using namespace troupe::model;
using namespace troupe::model::testing;

namespace {

// X [N,3] -> `count` times + X -> Y.
onnx::ModelProto sums(int count) {
  onnx::ModelProto model = empty_model();
  add_input(model, "X", 3);
  std::string before = "X";
  for (int i = 1; i <= count; ++i) {
    const std::string made = i == count ? "Y" : "v" + std::to_string(i);
    add_node(model, "Add", {before, "X"}, {made}, "");
    before = made;
  }
  add_output(model, "Y");
  return model;
}

} // namespace

BOOST_AUTO_TEST_SUITE(load_limits)

BOOST_AUTO_TEST_CASE(load_onnx__100000_nodes__are_compiled_and_share_their_memory) {
  const auto loaded = load_onnx(sums(100'000).SerializeAsString());
  BOOST_REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().message));
  const evaluator& graph = *(*loaded)->graph;
  BOOST_TEST(graph.steps().size() == 100'000u);
  auto scratch = graph.make_scratch();
  const double row[] = {1, -2, 0};
  graph.load(row, nullptr, 1, scratch);
  graph.run(1, scratch);
  BOOST_TEST(graph.numbers(scratch, 0)[0] == 100'001.0F);
  BOOST_TEST(graph.numbers(scratch, 0)[1] == -200'002.0F);
  // The input, and two values that take turns.
  const std::size_t value_bytes = (graph.rows_at_once() * 3 * sizeof(float) + 63) / 64 * 64;
  BOOST_TEST(graph.scratch_bytes() == 3 * value_bytes);
}

BOOST_AUTO_TEST_SUITE_END()
