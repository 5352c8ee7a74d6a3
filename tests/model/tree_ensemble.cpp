// TreeEnsembleClassifier and TreeEnsembleRegressor of ONNX: what is refused, and onnxruntime's special cases. The
// numbers were printed by onnxruntime 1.32 for the same nodes.
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <functional>
#include <limits>

#include "model/evaluator.hpp"
#include "model/loaded_model.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace troupe;
using namespace troupe::model;
using namespace troupe::model::testing;

namespace {

using ints = std::vector<std::int64_t>;

// Two trees on X [N,2]: x0 <= 0.5 ? 1 : (x1 < 2 ? 2 : 4), and a leaf of its own: 8.
onnx::ModelProto regressor_of_trees() {
  onnx::ModelProto model = empty_model();
  add_input(model, "X", 2);
  auto& node = add_node(model, "TreeEnsembleRegressor", {"X"}, {"Y"});
  add_ints(node, "nodes_treeids", {0, 0, 0, 0, 0, 1});
  add_ints(node, "nodes_nodeids", {0, 1, 2, 3, 4, 0});
  add_ints(node, "nodes_featureids", {0, 0, 1, 0, 0, 0});
  add_ints(node, "nodes_truenodeids", {1, 0, 3, 0, 0, 0});
  add_ints(node, "nodes_falsenodeids", {2, 0, 4, 0, 0, 0});
  add_strings(node, "nodes_modes", {"BRANCH_LEQ", "LEAF", "BRANCH_LT", "LEAF", "LEAF", "LEAF"});
  add_floats(node, "nodes_values", {0.5f, 0, 2, 0, 0, 0});
  add_ints(node, "target_treeids", {0, 0, 0, 1});
  add_ints(node, "target_nodeids", {1, 3, 4, 0});
  add_ints(node, "target_ids", {0, 0, 0, 0});
  add_floats(node, "target_weights", {1, 2, 4, 8});
  add_output(model, "Y");
  add_metadata(model, "feature_names", "a,b");
  return model;
}

// One leaf with a weight for the class `id`, of two.
onnx::ModelProto one_leaf(float weight, std::int64_t id, const std::vector<float>& base, const std::string& post) {
  onnx::ModelProto model = empty_model();
  add_input(model, "X", 1);
  auto& node = add_node(model, "TreeEnsembleClassifier", {"X"}, {"label", "scores"});
  for (const char* name : {"nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_truenodeids",
                           "nodes_falsenodeids", "class_treeids", "class_nodeids"})
    add_ints(node, name, {0});
  add_strings(node, "nodes_modes", {"LEAF"});
  add_floats(node, "nodes_values", {0});
  add_ints(node, "class_ids", {id});
  add_floats(node, "class_weights", {weight});
  add_ints(node, "classlabels_int64s", {0, 1});
  add_text(node, "post_transform", post);
  if (!base.empty()) add_floats(node, "base_values", base);
  add_output(model, "label");
  add_output(model, "scores");
  add_metadata(model, "feature_names", "a");
  return model;
}

onnx::AttributeProto& attribute(onnx::ModelProto& model, const std::string& name) {
  for (auto& found : *model.mutable_graph()->mutable_node(0)->mutable_attribute())
    if (found.name() == name) return found;
  BOOST_FAIL("no attribute " << name);
  std::abort();
}

void remove_attribute(onnx::ModelProto& model, const std::string& name) {
  auto& all = *model.mutable_graph()->mutable_node(0)->mutable_attribute();
  for (int i = 0; i < all.size(); ++i)
    if (all[i].name() == name) return all.DeleteSubrange(i, 1);
}

struct row_result {
  std::vector<float> numbers;
  std::size_t label = 0;
};

row_result run(const onnx::ModelProto& proto, std::vector<double> row) {
  const auto loaded = load_onnx(proto.SerializeAsString());
  BOOST_REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().message));
  const evaluator& graph = *(*loaded)->graph;
  auto scratch = graph.make_scratch();
  graph.load(row.data(), nullptr, 1, scratch);
  graph.run(1, scratch);
  const float* numbers = graph.numbers(scratch, 0);
  return {{numbers, numbers + graph.width()}, graph.label(scratch, 0)};
}

using damage = std::function<void(onnx::ModelProto&)>;

void check_refused(const damage& change, const std::string& part) {
  onnx::ModelProto model = regressor_of_trees();
  change(model);
  const auto loaded = load_onnx(model.SerializeAsString());
  BOOST_REQUIRE_MESSAGE(!loaded.has_value(), part);
  BOOST_TEST(loaded.error().message.find(part) != std::string::npos,
             loaded.error().message << " has no '" << part << "'");
}

damage set_int(const std::string& name, int index, std::int64_t value) {
  return [=](onnx::ModelProto& model) { attribute(model, name).set_ints(index, value); };
}

void check_near(const std::vector<float>& got, const std::vector<double>& expected) {
  BOOST_REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    BOOST_TEST(std::abs(static_cast<double>(got[i]) - expected[i]) < 1e-6, got[i] << " instead of " << expected[i]);
}

} // namespace

BOOST_AUTO_TEST_SUITE(tree_ensemble)

BOOST_AUTO_TEST_CASE(regressor__rows__reach_their_leaves) {
  const onnx::ModelProto model = regressor_of_trees();
  check_near(run(model, {0.5, 9}).numbers, {9});
  check_near(run(model, {0.50001, 1.99}).numbers, {10});
  check_near(run(model, {0.50001, 2}).numbers, {12});
  check_near(run(model, {std::nan(""), std::nan("")}).numbers, {12});
}

BOOST_AUTO_TEST_CASE(regressor__aggregates__as_onnxruntime) {
  const std::pair<std::string, double> all[] = {{"SUM", 12.5}, {"AVERAGE", 6.5}, {"MIN", 4.5}, {"MAX", 8.5}};
  for (const auto& [how, expected] : all) {
    onnx::ModelProto model = regressor_of_trees();
    auto& node = *model.mutable_graph()->mutable_node(0);
    add_text(node, "aggregate_function", how);
    add_floats(node, "base_values", {0.5f});
    check_near(run(model, {1, 2}).numbers, {expected});
  }
}

BOOST_AUTO_TEST_CASE(regressor__missing_tracks_true__goes_there) {
  onnx::ModelProto model = regressor_of_trees();
  add_ints(*model.mutable_graph()->mutable_node(0), "nodes_missing_value_tracks_true", {1, 0, 0, 0, 0, 0});
  check_near(run(model, {std::nan(""), 5}).numbers, {9});
}

BOOST_AUTO_TEST_CASE(regressor__nodes_in_any_order__the_same) {
  onnx::ModelProto model = regressor_of_trees();
  // Ids that are no positions.
  attribute(model, "nodes_nodeids").set_ints(0, 70);
  attribute(model, "nodes_nodeids").set_ints(2, -3);
  attribute(model, "nodes_falsenodeids").set_ints(0, -3);
  check_near(run(model, {1, 2}).numbers, {12});
}

BOOST_AUTO_TEST_CASE(regressor__infinite_threshold__allowed) {
  onnx::ModelProto model = regressor_of_trees();
  attribute(model, "nodes_values").set_floats(0, std::numeric_limits<float>::infinity());
  check_near(run(model, {1e30, 2}).numbers, {9});
}

BOOST_AUTO_TEST_CASE(regressor__no_tree__refused_by_attribute_and_index) {
  check_refused(set_int("nodes_truenodeids", 0, 7), "nodes_truenodeids[0] is 7, which tree 0 does not have");
  check_refused(set_int("nodes_falsenodeids", 2, -1), "nodes_falsenodeids[2] is -1");
  check_refused(set_int("nodes_truenodeids", 0, 0),
                "nodes_truenodeids[0]: a child of node 0 of tree 0 is the node itself");
  check_refused(set_int("nodes_truenodeids", 2, 1),
                "nodes_truenodeids[2]: a child of node 2 of tree 0 is the child of");
  check_refused(set_int("nodes_falsenodeids", 2, 0), "is in a loop");
  check_refused(set_int("nodes_nodeids", 3, 4), "nodes_nodeids[4]: node 4 of tree 0 is there twice");
  check_refused(set_int("nodes_treeids", 5, 0), "is there twice");
}

BOOST_AUTO_TEST_CASE(regressor__numbers__checked) {
  check_refused(set_int("nodes_featureids", 2, 2), "nodes_featureids[2] is 2, but its input has 2 columns");
  check_refused(set_int("nodes_featureids", 0, -1), "nodes_featureids[0] is -1");
  check_refused(set_int("target_ids", 1, 1), "target_ids[1] is 1, expected 0 to 0");
  check_refused(set_int("target_nodeids", 1, 9), "target_nodeids[1]: there is no node 9 of tree 0");
  check_refused(set_int("target_treeids", 3, 5), "target_nodeids[3]: there is no node 0 of tree 5");
  check_refused([](auto& m) { attribute(m, "nodes_values").set_floats(2, std::nanf("")); }, "nodes_values[2]");
  check_refused([](auto& m) { attribute(m, "target_weights").set_floats(2, std::numeric_limits<float>::infinity()); },
                "target_weights[2]");
  check_refused([](auto& m) { attribute(m, "nodes_modes").set_strings(0, "BRANCH_XX"); },
                "nodes_modes[0] is 'BRANCH_XX'");
  check_refused([](auto& m) { attribute(m, "nodes_values").add_floats(1); },
                "nodes_values has 7 entries, nodes_nodeids has 6");
  check_refused([](auto& m) { attribute(m, "target_ids").add_ints(0); },
                "target_treeids has 4 entries, target_ids has 5");
  check_refused(
      [](auto& m) {
        add_floats(*m.mutable_graph()->mutable_node(0), "base_values", {1, 2});
      },
      "base_values has 2 entries for 1 targets");
  check_refused([](auto& m) { add_int(*m.mutable_graph()->mutable_node(0), "n_targets", 1 << 30); }, "n_targets is");
  check_refused([](auto& m) { remove_attribute(m, "nodes_nodeids"); }, "nodes_nodeids is empty");
}

BOOST_AUTO_TEST_CASE(classifier__two_classes__as_onnxruntime) {
  const auto check = [](const onnx::ModelProto& model, std::size_t label, const std::vector<double>& scores) {
    const row_result got = run(model, {0});
    BOOST_TEST(got.label == label);
    check_near(got.numbers, scores);
  };
  // One class with weights, none negative: a share of the second class.
  check(one_leaf(0.4f, 0, {}, "NONE"), 0, {0.6, 0.4});
  check(one_leaf(0.7f, 0, {}, "SOFTMAX"), 1, {0.3, 0.7});
  check(one_leaf(0.7f, 0, {0.1f}, "NONE"), 1, {0.2, 0.8});
  check(one_leaf(0.4f, 0, {}, "LOGISTIC"), 0, {0.40131235, 0.59868765});
  // Some negative: a margin.
  check(one_leaf(-0.4f, 0, {}, "NONE"), 0, {0.4, -0.4});
  check(one_leaf(-0.4f, 0, {0.1f}, "LOGISTIC"), 0, {0.5744425, 0.4255575});
  // For the second class, or with two base values, it is two scores; one without a weight counts as 0.
  check(one_leaf(0.7f, 1, {}, "NONE"), 1, {0, 0.7});
  check(one_leaf(0.4f, 1, {}, "SOFTMAX"), 0, {0.40131232, 0.59868765});
  check(one_leaf(0.7f, 0, {0.1f, 0.2f}, "NONE"), 1, {0.8, 0});
  check(one_leaf(0.7f, 0, {0.1f, 0.2f}, "LOGISTIC"), 1, {0.6899745, 0.5});
  check(one_leaf(-0.4f, 1, {0.1f, 0.2f}, "LOGISTIC"), 1, {0.5, 0.54983395});
}

BOOST_AUTO_TEST_CASE(classifier__labels__checked) {
  onnx::ModelProto model = one_leaf(1, 0, {}, "NONE");
  attribute(model, "classlabels_int64s").mutable_ints()->RemoveLast();
  BOOST_TEST(!load_onnx(model.SerializeAsString()).has_value());
  model = one_leaf(1, 2, {}, "NONE");
  const auto loaded = load_onnx(model.SerializeAsString());
  BOOST_REQUIRE(!loaded.has_value());
  BOOST_TEST(loaded.error().message.find("class_ids[0] is 2, expected 0 to 1") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(double_input__compared_in_double) {
  onnx::ModelProto model = regressor_of_trees();
  model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
      onnx::TensorProto::DOUBLE);
  check_near(run(model, {0.5 + 1e-12, 0}).numbers, {10});
  check_near(run(regressor_of_trees(), {0.5 + 1e-12, 0}).numbers, {9});
}

BOOST_AUTO_TEST_SUITE_END()
